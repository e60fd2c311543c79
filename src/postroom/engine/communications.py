"""Queues what Postroom writes to people: announcements, invitations and resets of passwords, beside deliveries."""

from datetime import UTC, datetime

from asgiref.sync import sync_to_async

from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.instance.looker import Interval, Looker
from postroom.flow.notices.account_mail import queue_account_mail
from postroom.flow.notices.announcement_queue import AnnouncementQueue, forget_old_announcements
from postroom.flow.users.account_links import forget_old_links
from postroom.store.turn import Turn

LOOK_S = 1.0
_FORGET_S = 3_600.0


class Communications:
    """Works from its making until `stop`; of several engines the one whose `turn` it is does."""

    def __init__(self, acceptor: Acceptor, turn: Turn, *, look_s: float = LOOK_S) -> None:
        self._acceptor, self._forgetting = acceptor, Interval(_FORGET_S)
        self._announcements = AnnouncementQueue(acceptor)
        self._looker = Looker("communications", self._round, every_s=look_s, turn=turn)

    async def stop(self) -> None:
        """End at once; whoever looks next goes on where this one was."""
        await self._looker.stop()

    async def _round(self) -> bool:
        """Whether there may be more to do at once."""
        now = datetime.now(UTC)
        await queue_account_mail(self._acceptor, now)
        if self._forgetting.is_over():
            await sync_to_async(forget_old_links)(now)
            await sync_to_async(forget_old_announcements)(now)
        return await self._announcements.advance(now)
