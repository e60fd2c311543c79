"""The engine tells pages how it stands with each server, about once a second and only what changed.

Where several engines share a database it also asks for its share of the connections that a server allows.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from asgiref.sync import sync_to_async

from postroom.store.database import is_postgresql
from postroom.store.lane_states import SLOTS_FOR, leave_states, share_slots, store_states
from postroom.store.models import LaneState

from .lane import Lane

REPORT_S = 1.0
# What did not change is said again after this, as long as something is open or held.
AGAIN = timedelta(seconds=10)
SLOTS_S = 4.0


class Report:
    """Of one engine, by its name; `now` is the clock of the database."""

    def __init__(self, engine: str, now: Callable[[], datetime]) -> None:
        self._engine, self._now = engine, now
        self._said: dict[str, tuple[datetime, tuple[object, ...]]] = {}
        self.is_shared = is_postgresql()

    async def tell(self, lanes: Mapping[str, Lane]) -> None:
        """Write what changed."""
        now = self._now()
        news = []
        for server_id, lane in lanes.items():
            state = _state(self._engine, lane, now)
            said_at, said = self._said.get(server_id, (now - AGAIN, ()))
            values = _values(state)
            is_idle = not state.sessions and state.held_until is None and state.cooldown_until is None
            if values != said or (now - said_at >= AGAIN and not is_idle):
                self._said[server_id] = now, values
                news.append(state)
        if news:
            await sync_to_async(store_states)(news)

    async def share(self, lanes: Mapping[str, Lane]) -> None:
        """Ask for a share of the connections of each server that limits them."""
        if not self.is_shared:
            return
        until_s = time.monotonic() + SLOTS_FOR.total_seconds()
        limits = {id_: most for id_, lane in lanes.items() if (most := lane.server.settings.limits.connections)}
        shares = await sync_to_async(share_slots)(self._engine, limits, self._now())
        for server_id, lane in lanes.items():
            lane.allowance.share(shares.get(server_id, 0), until_s)
            lane.nudge()

    async def end(self) -> None:
        """The engine ends in good order."""
        await sync_to_async(leave_states)(self._engine)


def _state(engine: str, lane: Lane, now: datetime) -> LaneState:
    allowance, held, left_s = lane.allowance, lane.allowance.held, lane.cooldown_left_s
    # To the second, so that it is the same the next time.
    cooldown_until = (now + timedelta(seconds=left_s + 0.5)).replace(microsecond=0) if left_s > 0 else None
    return LaneState(
        server_id=lane.server.name.id, engine=engine, at=now, sessions=lane.sessions.count,
        allowed=lane.allowed,
        held_by=held.by if held else "", held_until=held.until if held else None, cooldown_until=cooldown_until,
        slowed_at=allowance.slowed_at, slowed_reply=allowance.slowed_reply, rate=allowance.rate,
    )


def _values(state: LaneState) -> tuple[object, ...]:
    return (
        state.sessions, state.allowed, state.held_by, state.held_until, state.cooldown_until, state.slowed_at,
        state.rate,
    )
