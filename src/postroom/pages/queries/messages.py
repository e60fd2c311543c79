"""Messages as the list and the detail show them: one row for each delivery."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When

from postroom.pages import words
from postroom.store.models import Attempt, Delivery
from postroom.terms.outcome import DeliveryState

PAGE_ROWS = 50
TAB_STATES = ("queued", "sending", "deferred", "sent", "failed", "uncertain", "held", "cancelled")
_ALWAYS = ("queued", "deferred", "sent", "failed")


@dataclass(frozen=True, slots=True)
class Tab:
    state: str
    count: int


def found_deliveries(search: str) -> QuerySet[Delivery]:
    """Deliveries whose recipient or subject holds the text."""
    found = Delivery.objects.select_related("message", "server")
    if search:
        found = found.filter(Q(recipient__icontains=search) | Q(message__subject__icontains=search))
    return found


def tabs_of(found: QuerySet[Delivery]) -> tuple[int, list[Tab]]:
    """How many there are in all, and for each state that occurs or always has a tab."""
    rows = found.order_by().values("state").annotate(number=Count("pk"))
    counts = {row["state"]: row["number"] for row in rows}
    tabs = [Tab(state, counts.get(state, 0)) for state in TAB_STATES if state in _ALWAYS or counts.get(state)]
    return sum(counts.values()), tabs


def needing_attention_first(found: QuerySet[Delivery]) -> QuerySet[Delivery]:
    rank = Case(
        When(state__in=("failed", "uncertain"), then=Value(0)),
        When(state="deferred", then=Value(1)),
        When(state__in=("queued", "sending", "held"), then=Value(2)),
        default=Value(3),
        output_field=IntegerField(),
    )
    return found.annotate(rank=rank).order_by("rank", "-pk")


def state_note(delivery: Delivery) -> str:
    """The second line under a state."""
    title = str((delivery.finding or {}).get("title", "")).rstrip(".")
    if delivery.state == DeliveryState.DEFERRED:
        return f"next try {words.until(delivery.due_at)}" if delivery.due_at else title
    if delivery.state in (DeliveryState.FAILED, DeliveryState.UNCERTAIN, DeliveryState.HELD):
        return title or delivery.cause
    if delivery.state == DeliveryState.QUEUED:
        return "waits for a connection"
    where = delivery.server.name if delivery.server else ""
    return f"{words.clock(delivery.updated_at)}, {where}" if delivery.state == DeliveryState.SENT and where else where


def attempts_of(delivery: Delivery) -> Sequence[Attempt]:
    """Newest first."""
    return list(delivery.attempts.select_related("server").order_by("-number"))


def took_s(attempt: Attempt) -> float | None:
    if attempt.ended_at is None:
        return None
    return (attempt.ended_at - attempt.started_at).total_seconds()


def attempt_rows(delivery: Delivery) -> list[dict[str, Any]]:
    rows = []
    for attempt in attempts_of(delivery):
        state = attempt.outcome or "sending"
        seconds = took_s(attempt)
        rows.append({
            "attempt": attempt,
            "state": state,
            "title": _attempt_title(attempt, state),
            "took": f"{seconds:.1f} s" if seconds is not None else "",
            "finding": attempt.finding or {},
        })
    return rows


def _attempt_title(attempt: Attempt, state: str) -> str:
    finding = str((attempt.finding or {}).get("title", "")).rstrip(".")
    plain = {"sent": "accepted by the server", "sending": "under way", "deferred": "asked to try later",
             "failed": "refused", "uncertain": "the connection ended before the reply"}
    return f"Try {attempt.number}: {words.first_lower(finding) if finding else plain.get(state, state)}"
