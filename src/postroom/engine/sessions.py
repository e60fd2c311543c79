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
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """Sessions that are open, busy or idle."""
        return len(self._open)

    @property
    def closing(self) -> set["asyncio.Task[None]"]:
        """What still says good-bye."""
        return self._closing

    async def opened(self, server: Outgoing) -> OpenSession:
        """A new session. Raises Unusable."""
        session = await self._courier.opened(server)
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
        self._open.discard(session)
        await session.close()

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

    def _end_soon(self, session: OpenSession) -> None:
        task = asyncio.create_task(self.end(session))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
