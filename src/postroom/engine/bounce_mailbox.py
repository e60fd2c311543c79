"""The mailbox for bounces, looked at once a minute and when somebody asks, beside deliveries and never in their way."""

from asgiref.sync import sync_to_async
from django.utils import timezone

from postroom.flow.delivery.bounce_mailbox import is_look_due, look
from postroom.flow.instance.looker import Looker
from postroom.store.turn import Turn

from .own_thread import in_own_thread

ASK_S = 2.0
LOOK_PAUSE_S = 60.0


class BounceMailboxReader:
    """Looks from its making until `stop`; of several engines the one whose `turn` it is does."""

    def __init__(self, turn: Turn) -> None:
        self._looker = Looker("bounce-mailbox", self._round, every_s=ASK_S, turn=turn)

    async def stop(self) -> None:
        """End at once; a look that is under way is left alone, and what the next engine reads twice counts once."""
        await self._looker.stop()

    async def _round(self) -> None:
        if await sync_to_async(is_look_due)(timezone.now(), LOOK_PAUSE_S):
            await in_own_thread(_look_now, "bounce-mailbox")


def _look_now() -> None:
    look(timezone.now())
