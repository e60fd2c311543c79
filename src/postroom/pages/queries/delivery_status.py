"""Is delivery running, and what waits?"""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from postroom.flow.delivery.sample_queue import oldest_waiting
from postroom.pages import words
from postroom.store.heartbeat import engine_is_running
from postroom.store.models import Delivery, SmtpServer
from postroom.terms.outcome import WAITING_STATES, DeliveryState

IN_THE_QUEUE = (*WAITING_STATES, DeliveryState.SENDING)
# Every page counts the queue, so that counting ends here.
MOST_COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """`depth` counts deliveries that wait or are being sent, up to one more than MOST_COUNTED; `oldest_at` is
    since when the oldest of them waits. `no_server_works`: there are real servers, and mail leaves through none."""

    running: bool
    depth: int
    oldest_at: datetime | None
    failing_servers: int
    no_server_works: bool

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
    waiting = Delivery.objects.filter(state__in=IN_THE_QUEUE)
    real = list(SmtpServer.objects.filter(is_sandbox=False))
    return DeliveryStatus(
        running=engine_is_running(),
        # The state alone: counting then reads nothing but the index.
        depth=waiting.values("state")[: MOST_COUNTED + 1].count(),
        oldest_at=oldest_waiting(timezone.now()),
        failing_servers=sum(1 for server in real if server.enabled and server.state == "failing"),
        no_server_works=bool(real) and not any(s.takes_deliveries and s.failing_since is None for s in real),
    )
