"""Is delivery running, and what waits?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min
from django.utils import timezone

from postroom.pages import words
from postroom.store.heartbeat import engine_is_running
from postroom.store.models import Delivery, QueueSample, SmtpServer
from postroom.terms.outcome import WAITING_STATES, DeliveryState

IN_THE_QUEUE = (*WAITING_STATES, DeliveryState.SENDING)
# Every page counts the queue, so that counting ends here.
MOST_COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """`depth` counts deliveries that wait or are being sent, up to one more than MOST_COUNTED; `oldest_at` is the
    oldest one's acceptance."""

    running: bool
    depth: int
    oldest_at: datetime | None
    failing_servers: int

    @property
    def oldest_s(self) -> float:
        return (timezone.now() - self.oldest_at).total_seconds() if self.oldest_at else 0.0

    @property
    def depth_words(self) -> str:
        """ "37", "1,000+", "" for an empty queue."""
        if self.depth > MOST_COUNTED:
            return f"{words.number(MOST_COUNTED)}+"
        return words.number(self.depth) if self.depth else ""


def delivery_status() -> DeliveryStatus:
    waiting = list(Delivery.objects.filter(state__in=IN_THE_QUEUE).values_list("pk", flat=True)[: MOST_COUNTED + 1])
    failing = SmtpServer.objects.filter(failing_since__isnull=False, enabled=True)
    return DeliveryStatus(
        running=engine_is_running(),
        depth=len(waiting),
        oldest_at=_oldest_at(waiting),
        failing_servers=sum(1 for server in failing if server.state == "failing"),
    )


def _oldest_at(waiting: list[str]) -> datetime | None:
    """Exact while few wait, else as the engine noted it last."""
    if len(waiting) > MOST_COUNTED and (sample := QueueSample.objects.order_by("-at").first()):
        return sample.at - timedelta(seconds=sample.oldest_s)
    oldest: datetime | None = (
        Delivery.objects.filter(pk__in=waiting).aggregate(oldest=Min("message__created_at"))["oldest"]
    )
    return oldest
