"""One message as its panel and its page show it: where it stands, what may be done, its recipients, its facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, IntegerField, QuerySet, Value, When
from django.utils import timezone

from postroom.flow.acceptance import resend
from postroom.flow.instance.reader import told
from postroom.flow.messages import outbox
from postroom.policy.retry import attempts_expected
from postroom.store.message_filter import ATTENTION
from postroom.store.models import Delivery, Message, SmtpServer, Suppression
from postroom.terms.address import canonical
from postroom.terms.outcome import DeliveryState

from .came_back import badges_of_deliveries
from .delivery_timeline import Happening, timeline
from .message_filters import PURPOSES, STATES
from .messages import state_note, summary_of
from .suppressions import Line, line_of

RECIPIENT_ROWS = 25
_MOVING = (DeliveryState.SENDING, DeliveryState.QUEUED)


@dataclass(frozen=True, slots=True)
class Recipient:
    """`came_back`: the look of a bounce or complaint about it, "" without one."""

    delivery: Delivery
    note: str
    is_chosen: bool
    came_back: str = ""


@dataclass(frozen=True, slots=True)
class Recipients:
    """The recipients of a message for several: those of the chosen state, page by page."""

    rows: list[Recipient]
    tabs: list[tuple[str, int]]
    state: str
    page: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class Detail:
    """`delivery` is the one whose story is told; `suppressed` says if its recipient gets no more mail. `is_moving`: it
    may change by itself within seconds."""

    message: Message
    delivery: Delivery | None
    finding: dict[str, Any]
    happenings: list[Happening]
    total: int
    summary: str
    recipients: Recipients | None
    tries: tuple[int, int]
    can_retry: bool
    can_retry_one: bool
    can_cancel: bool
    can_resend: bool
    failed: int
    ended: int
    servers: list[str]
    purpose: str
    resends: list[Message]
    suppressed: Line | None
    is_moving: bool


def detail(message: Message, query: Mapping[str, str]) -> Detail:
    """The message; the query may choose a recipient (`delivery`), a state of recipients (`of`) and their page (`p`)."""
    deliveries = message.deliveries.order_by()
    counts: dict[str, int] = dict(deliveries.values_list("state").annotate(Count("pk")))
    total = sum(counts.values())
    chosen = _chosen(message, query.get("delivery", ""))
    states = set(counts)
    return Detail(
        message=message,
        delivery=chosen,
        finding=told(chosen.finding) if chosen else {},
        happenings=timeline(message, chosen) if chosen else [],
        total=total,
        summary=summary_of(counts) if total > 1 else "",
        recipients=_recipients(message, chosen, counts, query) if total > 1 else None,
        tries=_tries(message, chosen),
        can_retry=bool(states & set(outbox.CAN_RETRY)),
        can_retry_one=total > 1 and chosen is not None and chosen.state in outbox.CAN_RETRY,
        can_cancel=bool(states & set(outbox.CAN_CANCEL)),
        can_resend=bool(states & set(resend.CAN_RESEND)),
        failed=counts.get(DeliveryState.FAILED, 0),
        ended=sum(counts.get(state, 0) for state in resend.CAN_RESEND),
        servers=_server_order(message),
        purpose=str(PURPOSES.get(message.purpose, message.purpose)),
        resends=list(message.resends.order_by("-pk")[:10]),
        suppressed=_suppressed(chosen),
        is_moving=chosen is not None and chosen.state in _MOVING and chosen.due_at <= timezone.now(),
    )


def _suppressed(delivery: Delivery | None) -> Line | None:
    """What keeps every message from the recipient."""
    if delivery is None:
        return None
    row = Suppression.objects.filter(address=canonical(delivery.recipient), list_name="").first()
    return None if row is None else line_of(row)


def _tries(message: Message, delivery: Delivery | None) -> tuple[int, int]:
    """The number of the next try, and about how many there will be."""
    if delivery is None:
        return 0, 0
    total = attempts_expected(delivery.attempt_count, delivery.due_at, message.expires_at, message.purpose)
    return delivery.attempt_count + 1, max(total, delivery.attempt_count + 1)


def _chosen(message: Message, wanted: str) -> Delivery | None:
    """The recipient that was asked for, else the one that needs attention most."""
    deliveries = message.deliveries.select_related("server")
    if wanted and (found := deliveries.filter(pk=wanted[:26]).first()):
        return found
    return _worst_first(deliveries).first()


def _worst_first(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    order = (*ATTENTION, "sending", "queued", "sent", "cancelled")
    rank = Case(
        *(When(state=state, then=Value(n)) for n, state in enumerate(order)), default=Value(len(order)),
        output_field=IntegerField(),
    )
    return deliveries.annotate(rank=rank).order_by("rank", "pk")


def _recipients(
    message: Message, chosen: Delivery | None, counts: Mapping[str, int], query: Mapping[str, str]
) -> Recipients:
    state = query.get("of", "") if query.get("of", "") in counts else ""
    page = int(query["p"]) if query.get("p", "").isdecimal() and len(query["p"]) < 5 else 0
    found = message.deliveries.select_related("server")
    found = _worst_first(found.filter(state=state) if state else found)
    start = page * RECIPIENT_ROWS
    rows = list(found[start : start + RECIPIENT_ROWS + 1])
    badges = badges_of_deliveries(rows)
    return Recipients(
        [
            Recipient(d, state_note(message, d), chosen is not None and d.pk == chosen.pk, badges.get(d.pk, ""))
            for d in rows[:RECIPIENT_ROWS]
        ],
        [(name, counts[name]) for name in STATES if name in counts], state, page, len(rows) > RECIPIENT_ROWS,
    )


def _server_order(message: Message) -> list[str]:
    """The servers that the message may leave through, in their order: its own first."""
    own = message.server
    if own is not None and (message.pinned or own.is_sandbox):
        return [own.name]
    others = [s for s in SmtpServer.objects.all() if s.takes_deliveries and not s.is_sandbox and s != own]
    return [server.name for server in ([own] if own else []) + others]
