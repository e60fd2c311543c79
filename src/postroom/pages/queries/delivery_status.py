"""Is delivery running, and what waits?"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min
from django.utils import timezone

from postroom.store.heartbeat import engine_is_running
from postroom.store.models import Delivery, SmtpServer
from postroom.terms.outcome import WAITING_STATES, DeliveryState

IN_THE_QUEUE = (*WAITING_STATES, DeliveryState.SENDING)


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """`depth` counts deliveries that wait or are being sent; `oldest_at` is the oldest one's acceptance."""

    running: bool
    depth: int
    oldest_at: datetime | None
    failing_servers: int

    @property
    def oldest_s(self) -> float:
        return (timezone.now() - self.oldest_at).total_seconds() if self.oldest_at else 0.0


def delivery_status() -> DeliveryStatus:
    waiting = Delivery.objects.filter(state__in=IN_THE_QUEUE).aggregate(
        depth=Count("pk"), oldest_at=Min("message__created_at")
    )
    failing = SmtpServer.objects.filter(failing_since__isnull=False, enabled=True)
    return DeliveryStatus(
        running=engine_is_running(),
        depth=waiting["depth"],
        oldest_at=waiting["oldest_at"],
        failing_servers=sum(1 for server in failing if server.state == "failing"),
    )
