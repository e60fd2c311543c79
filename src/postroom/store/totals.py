"""What monitoring asks for, in a few reads of bounded size: totals, what waits, sessions."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Sum

from postroom.terms.outcome import DeliveryState

from .models import AttemptTotal, Delivery, LaneState, SmtpServer, Suppression

# A delivery in one of these is in the queue; what is over is never counted, for there may be millions of it.
IN_QUEUE = (
    DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN, DeliveryState.HELD,
)


@dataclass(frozen=True, slots=True)
class Total:
    """Attempts over a server ("" where none was made) that ended so; `bucket` as in `tally.BOUNDS_S`."""

    server_id: str
    outcome: str
    cause: str
    bucket: int
    attempts: int
    seconds: float


def attempt_totals() -> list[Total]:
    """Attempts since the beginning."""
    names = ("server_id", "outcome", "cause", "bucket", "attempts", "seconds")
    return [Total(*row) for row in AttemptTotal.objects.order_by(*names[:4]).values_list(*names)]


def depths_by_state() -> dict[str, int]:
    """How many deliveries are in each state of the queue, read from an index alone."""
    found = Delivery.objects.filter(state__in=IN_QUEUE).values_list("state").annotate(count=Count("state")).order_by()
    return {**{state.value: 0 for state in IN_QUEUE}, **dict(found)}


def open_sessions(since: datetime) -> dict[str, int]:
    """Open sessions with each server, of all engines that have said so since then."""
    found = LaneState.objects.filter(at__gte=since).values_list("server_id").annotate(open=Sum("sessions")).order_by()
    return dict(found)


def suppressions() -> dict[str, int]:
    """Suppressed addresses by reason."""
    found = Counter(dict(Suppression.objects.values_list("reason").annotate(count=Count("reason")).order_by()))
    return {reason: found[reason] for reason in Suppression.Reason.values}


def servers() -> list[SmtpServer]:
    """All SMTP servers."""
    return list(SmtpServer.objects.all())
