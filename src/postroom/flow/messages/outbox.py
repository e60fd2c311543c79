"""What an operator does to accepted messages: cancel what waits, try again what stopped or waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Case, Count, F, QuerySet, Value, When
from django.utils import timezone

from postroom.policy.retry import SCHEDULES, lifetime_of
from postroom.store import audit
from postroom.store.models import Delivery, Message
from postroom.terms.outcome import DeliveryState

# An attempt that runs can't be called back: its content may have left.
CAN_CANCEL = (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.HELD, DeliveryState.UNCERTAIN)
CAN_RETRY = (DeliveryState.DEFERRED, DeliveryState.FAILED, DeliveryState.UNCERTAIN, DeliveryState.HELD)
# So many messages are changed at once; more come with the next time.
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Moved:
    """How many messages and deliveries changed, and when; `held` are the ids of deliveries that were held before."""

    messages: int
    deliveries: int
    at: datetime
    held: tuple[str, ...] = ()


def cancel(message_ids: Sequence[str], actor: str) -> Moved:
    """End every delivery of these messages that waits. What was sent stays sent."""
    now = timezone.now()
    with transaction.atomic():
        waiting = Delivery.objects.filter(message_id__in=message_ids, state__in=CAN_CANCEL)
        held = tuple(waiting.filter(state=DeliveryState.HELD).values_list("pk", flat=True))
        counts = _counted(waiting)
        _move(waiting, now, state=DeliveryState.CANCELLED, cause="", finding=None)
        audit.record_each(actor, "message.cancel", {id_: {"deliveries": n} for id_, n in counts.items()})
    return Moved(len(counts), sum(counts.values()), now, held)


def undo_cancel(message_ids: Sequence[str], actor: str, *, at: datetime, held: Sequence[str] = ()) -> Moved:
    """Have the deliveries that were cancelled at that moment wait again, each for when it was due."""
    now = timezone.now()
    with transaction.atomic():
        cancelled = Delivery.objects.filter(
            message_id__in=message_ids, state=DeliveryState.CANCELLED, updated_at=at
        )
        counts = _counted(cancelled)
        before = Case(
            When(pk__in=list(held), then=Value(DeliveryState.HELD)),
            When(uncertain_count__gt=0, then=Value(DeliveryState.UNCERTAIN)),
            When(attempt_count__gt=0, then=Value(DeliveryState.DEFERRED)),
            default=Value(DeliveryState.QUEUED),
        )
        _move(cancelled, now, state=before)
        audit.record_each(actor, "message.undo-cancel", {id_: {"deliveries": n} for id_, n in counts.items()})
    return Moved(len(counts), sum(counts.values()), now)


def retry_now(message_ids: Sequence[str], actor: str, *, delivery_id: str = "") -> Moved:
    """Queue every delivery of these messages that failed, is held, is uncertain or waits for its next try.

    The bytes and the Message-ID stay the same (M7). A message that has expired gets a new time of its own.
    `delivery_id` leaves all but one recipient alone.
    """
    now = timezone.now()
    with transaction.atomic():
        stopped = Delivery.objects.filter(message_id__in=message_ids, state__in=CAN_RETRY)
        if delivery_id:
            stopped = stopped.filter(pk=delivery_id)
        counts = _counted(stopped)
        _move(stopped, now, state=DeliveryState.QUEUED, due_at=now, cause="", finding=None)
        expired = Message.objects.filter(pk__in=list(counts), expires_at__lte=now)
        for purpose in SCHEDULES:
            expired.filter(purpose=purpose).update(expires_at=now + lifetime_of(purpose))
        audit.record_each(actor, "message.retry", {id_: {"deliveries": n} for id_, n in counts.items()})
    return Moved(len(counts), sum(counts.values()), now)


def _counted(deliveries: QuerySet[Delivery]) -> dict[str, int]:
    return dict(deliveries.order_by().values_list("message_id").annotate(Count("pk")))


def _move(deliveries: QuerySet[Delivery], now: datetime, **values: Any) -> None:
    # The fence rises, so that whatever was decided about the former state is refused (U8).
    deliveries.update(updated_at=now, lease_until=None, fence=F("fence") + 1, **values)
