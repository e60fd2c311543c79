"""Sample the queue: what waits at one instant, noted for the charts, and how long counts and samples are kept."""

from datetime import datetime, timedelta

from postroom.store import tallied
from postroom.store.models import Delivery, Message, QueueSample
from postroom.terms.outcome import DeliveryState

SAMPLES_KEPT = timedelta(days=35)
# Older samples are thinned to the deepest of each half hour.
EVERY_SAMPLE_KEPT = timedelta(days=2)
_FIRST_TRY = (DeliveryState.QUEUED, DeliveryState.SENDING)
_ANOTHER_TRY = (DeliveryState.DEFERRED, DeliveryState.UNCERTAIN)


def sample_queue(now: datetime) -> None:
    """Note how many deliveries wait, and how long the oldest has waited."""
    oldest_at = oldest_waiting(now)
    QueueSample.objects.update_or_create(
        at=now,
        defaults={
            "queued": Delivery.objects.filter(state__in=_FIRST_TRY).count(),
            "deferred": Delivery.objects.filter(state__in=_ANOTHER_TRY).count(),
            "oldest_s": max(0.0, (now - oldest_at).total_seconds()) if oldest_at else 0.0,
        },
    )


def oldest_waiting(now: datetime) -> datetime | None:
    """When the oldest message was accepted that has a delivery in the queue, or when it could first be sent; None for
    an empty queue. Messages to be sent later do not wait yet."""
    found = []
    for state in (*_FIRST_TRY, *_ANOTHER_TRY):
        # Ids sort by the time of acceptance, so that the first one of the index is the oldest.
        waiting = Delivery.objects.filter(state=state)
        if state is DeliveryState.QUEUED:
            waiting = waiting.filter(due_at__lte=now)
        first = waiting.order_by("message_id").values_list("message_id", flat=True).first()
        if first is not None:
            found.append(first)
    message = Message.objects.filter(pk__in=found).order_by("pk").only("created_at", "send_at").first()
    if message is None:
        return None
    return max(message.created_at, message.send_at or message.created_at)


def forget_old_counts(now: datetime) -> None:
    """Delete counts and samples that are kept no longer, and thin the samples."""
    tallied.forget_old(now)
    QueueSample.objects.filter(at__lt=now - SAMPLES_KEPT).delete()
    tallied.thin_samples(now - EVERY_SAMPLE_KEPT)
