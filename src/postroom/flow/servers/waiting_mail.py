"""Mail that waits for its next try at a server, and sending it right after the server is saved."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from postroom.store import audit
from postroom.store.models import Delivery, SmtpServer
from postroom.terms.outcome import DeliveryState

# More than this is not counted: the page says "more than".
COUNTED = 1_000


def count_waiting(server: SmtpServer | None) -> int:
    """How many deliveries wait for their next try at the server, at any one for None; at most `COUNTED` + 1."""
    return _waiting(server)[: COUNTED + 1].count()


def try_waiting_now(server: SmtpServer | None, actor: str) -> int:
    """Make them due now; how many there were."""
    with transaction.atomic():
        now = timezone.now()
        hurried = _waiting(server).update(due_at=now, updated_at=now)
        audit.record(actor, "queue.retry", server.name if server else "", {"deliveries": hurried})
    return hurried


def _waiting(server: SmtpServer | None) -> QuerySet[Delivery]:
    waiting = Delivery.objects.filter(state=DeliveryState.DEFERRED, due_at__gt=timezone.now())
    return waiting.filter(server=server) if server is not None else waiting
