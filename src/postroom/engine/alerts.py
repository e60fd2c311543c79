"""The look around for what people should be warned of, beside deliveries, and the mail about it."""

from datetime import UTC, datetime, timedelta

from asgiref.sync import sync_to_async

from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.alerts.alert_notices import decide_notices, queue_notices
from postroom.flow.alerts.alerts import Pace, forget_closed, look_around
from postroom.flow.instance.looker import Interval, Looker
from postroom.store.turn import Turn

LOOK_S = 15.0
KEPT = timedelta(days=400)
_FORGET_S = 3_600.0


class Alerts:
    """Looks from its making until `stop`; of several engines the one whose `turn` it is does."""

    def __init__(self, acceptor: Acceptor, turn: Turn, *, look_s: float = LOOK_S) -> None:
        self._acceptor, self._forgetting, self._pace = acceptor, Interval(_FORGET_S), Pace()
        self._looker = Looker("alerts", self._round, every_s=look_s, turn=turn)

    async def stop(self) -> None:
        """End at once; whoever looks next goes on where this one was."""
        await self._looker.stop()

    async def _round(self) -> None:
        await sync_to_async(look_around)(datetime.now(UTC), self._pace)
        await sync_to_async(decide_notices)(datetime.now(UTC))
        await queue_notices(self._acceptor, datetime.now(UTC))
        if self._forgetting.is_over():
            await sync_to_async(forget_closed)(datetime.now(UTC) - KEPT)
