"""Whether an engine is there, watched by the process that serves pages: when none is, nobody else can tell."""

from datetime import UTC, datetime

from asgiref.sync import sync_to_async

from postroom.flow.alerts.alerts import look_around
from postroom.flow.instance.looker import Looker

# At the start an engine may need a moment longer than this process.
FIRST_S = 60.0
LOOK_S = 30.0


class EngineWatch:
    """Looks from `start` until `stop`."""

    def __init__(self, *, first_s: float = FIRST_S, look_s: float = LOOK_S) -> None:
        self._first_s, self._look_s = first_s, look_s
        self._looker: Looker | None = None

    def start(self) -> None:
        """Begin, in the running loop."""
        self._looker = Looker("engine-watch", _looked, every_s=self._look_s, first_s=self._first_s)

    async def stop(self) -> None:
        """End at once."""
        if self._looker is not None:
            await self._looker.stop()


async def _looked() -> None:
    await sync_to_async(look_around)(datetime.now(UTC), for_web=True)
