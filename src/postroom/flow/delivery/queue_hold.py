"""Hold what waits for a server until somebody releases it, and have what waits tried at once. Each is audited.

A hold is known by the moment at which it was made: what was held for another reason stays so when it is released.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Case, F, QuerySet, Value, When
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from postroom.store import audit
from postroom.store.models import AuditEntry, Delivery, SmtpServer
from postroom.terms.outcome import WAITING_STATES, DeliveryState

# So many change in one commit, so that no other waits long for the database.
AT_ONCE = 2_000
# Holds that are looked for; older ones are released message by message.
LATEST = 20


@dataclass(frozen=True, slots=True)
class Hold:
    """What an audit entry holds: `deliveries` are still held."""

    id: str
    server: str
    by: str
    at: datetime
    deliveries: int


def hold_waiting(server: SmtpServer | None, actor: str) -> Hold:
    """Hold every delivery that waits for the server, for any for None. What comes later is not held."""
    at, deliveries = timezone.now(), 0
    waiting = Delivery.objects.filter(state__in=WAITING_STATES)
    if server is not None:
        waiting = waiting.filter(server=server)
    while changed := _changed(waiting, state=DeliveryState.HELD, updated_at=at):
        deliveries += changed
    name = server.name if server else ""
    entry = audit.record(actor, "queue.hold", name, {"deliveries": deliveries, "at": at.isoformat()})
    return Hold(entry.pk, name, actor, at, deliveries)


def release_hold(hold_id: str, actor: str) -> int:
    """Have what that hold holds wait again, each for when it was due; how many deliveries."""
    entry = AuditEntry.objects.filter(pk=hold_id[:26], action="queue.hold").first()
    at = parse_datetime(str(entry.changes.get("at", ""))) if entry is not None else None
    if entry is None or at is None:
        return 0
    before = Case(
        When(uncertain_count__gt=0, then=Value(DeliveryState.UNCERTAIN)),
        When(attempt_count__gt=0, then=Value(DeliveryState.DEFERRED)),
        default=Value(DeliveryState.QUEUED),
    )
    released, now = 0, timezone.now()
    while changed := _changed(_held_at(at), state=before, updated_at=now):
        released += changed
    audit.record(actor, "queue.release", entry.subject, {"deliveries": released})
    return released


def holds() -> list[Hold]:
    """The latest holds that still hold something."""
    found = []
    for entry in AuditEntry.objects.filter(action="queue.hold").order_by("-id")[:LATEST]:
        at = parse_datetime(str(entry.changes.get("at", "")))
        deliveries = _held_at(at).count() if at is not None else 0
        if at is not None and deliveries:
            found.append(Hold(entry.pk, entry.subject, entry.actor, at, deliveries))
    return found


def _held_at(at: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(state=DeliveryState.HELD, updated_at=at)


def _changed(deliveries: QuerySet[Delivery], **values: Any) -> int:
    """Change some of them; the fence rises, so that whatever was decided about the former state is refused (U8)."""
    with transaction.atomic():
        some = list(deliveries.order_by().values_list("pk", flat=True)[:AT_ONCE])
        return deliveries.filter(pk__in=some).update(lease_until=None, fence=F("fence") + 1, **values)
