"""The sessions of a lane: those that carry something now, and idle ones that wait for the next message."""

import asyncio

from postroom.flow.delivery.deliver import Courier, OpenSession, Outgoing

IDLE_S = 5.0


class Sessions:
    """Idle sessions end by themselves after `IDLE_S`."""

    def __init__(self, courier: Courier) -> None:
        self._courier = courier
        self._open: set[OpenSession] = set()
        # In the order in which they were parked, each with what ends it.
        self._idle: dict[OpenSession, asyncio.TimerHandle] = {}
        self._opening = 0
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """Sessions that are open, busy or idle; not those that say good-bye."""
        return len(self._open)

    @property
    def closing(self) -> set["asyncio.Task[None]"]:
        """What still says good-bye."""
        return self._closing

    async def opened(self, server: Outgoing, most: int) -> OpenSession:
        """A new session; with those that still say good-bye the server sees no more than `most`. Raises Unusable."""
        while self._closing and len(self._open) + self._opening + len(self._closing) >= most:
            await asyncio.wait(self._closing, return_when=asyncio.FIRST_COMPLETED)
        self._opening += 1
        try:
            session = await self._courier.opened(server)
        finally:
            self._opening -= 1
        self._open.add(session)
        return session

    def idle(self, server: Outgoing) -> OpenSession | None:
        """An idle session that serves the server as it is set up now, taken out of the idle ones."""
        while self._idle:
            session = self._taken()
            if session.session.is_usable and session.is_for(server):
                return session
            self._end_soon(session)
        return None

    def park(self, session: OpenSession) -> None:
        """Keep it for the next message, for a while."""
        self._idle[session] = asyncio.get_running_loop().call_later(IDLE_S, self._end_idle, session)

    async def end(self, session: OpenSession) -> None:
        await self._end_soon(session)

    def end_idle(self) -> None:
        while self._idle:
            self._end_soon(self._taken())

    def _taken(self) -> OpenSession:
        """The session that was parked last."""
        session, timer = self._idle.popitem()
        timer.cancel()
        return session

    def _end_idle(self, session: OpenSession) -> None:
        del self._idle[session]
        self._end_soon(session)

    def _end_soon(self, session: OpenSession) -> "asyncio.Task[None]":
        self._open.discard(session)
        task = asyncio.create_task(session.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task
