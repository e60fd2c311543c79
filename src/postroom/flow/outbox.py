"""What an operator does to accepted messages: cancel what waits, try again what stopped or waits."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from postroom.policy.retry import LIFETIME
from postroom.store import audit
from postroom.store.models import Delivery, Message
from postroom.terms.outcome import DeliveryState

# An attempt that runs can't be called back: its content may have left.
CAN_CANCEL = (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.HELD, DeliveryState.UNCERTAIN)
CAN_RETRY = (DeliveryState.DEFERRED, DeliveryState.FAILED, DeliveryState.UNCERTAIN, DeliveryState.HELD)


def cancel(message_id: str, actor: str) -> int:
    """End every delivery of the message that waits; their number. What was sent stays sent."""
    return _moved(message_id, CAN_CANCEL, DeliveryState.CANCELLED, "message.cancel", actor)


def retry_now(message_id: str, actor: str) -> int:
    """Queue every delivery that failed, is held, is uncertain or waits for its next try; their number.

    The bytes and the Message-ID stay the same (M7). A message that has expired gets a new time of its own.
    """
    with transaction.atomic():
        moved = _moved(message_id, CAN_RETRY, DeliveryState.QUEUED, "message.retry", actor)
        if moved:
            now = timezone.now()
            Message.objects.filter(pk=message_id, expires_at__lte=now).update(expires_at=now + LIFETIME)
    return moved


def _moved(
    message_id: str, from_states: tuple[DeliveryState, ...], state: DeliveryState, action: str, actor: str
) -> int:
    now = timezone.now()
    with transaction.atomic():
        deliveries = Delivery.objects.filter(message_id=message_id, state__in=from_states)
        # The fence rises, so that whatever was decided about the former state is refused (U8).
        moved = deliveries.update(
            state=state, due_at=now, updated_at=now, lease_until=None, fence=F("fence") + 1, cause="", finding=None
        )
        if moved:
            audit.record(actor, action, message_id, {"deliveries": moved})
    return moved
