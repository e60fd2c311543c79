"""One HTTP connection of the web process: uvicorn's, with a short way for a small message that is here as a whole.

For most messages that way is all: no task, no event and no coroutines between the octets and the queue, and one write
for the answer, which comes from the commit's callback. Everything else, and whatever the short way can't take, goes the
way of ASGI, and nothing is decided before that.
"""

import asyncio
from functools import partial
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from .bounded_connection import BoundedConnection


class HotDoor(Protocol):
    """What the application offers beside ASGI; see `Intake`."""

    def taken_at_once(self, scope: Any, octets: bytes) -> "asyncio.Future[Any] | None": ...

    def answer_of(self, enqueued: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]: ...

    async def answer_taken(self, taken: "asyncio.Future[Any]", send: Any) -> None: ...


class WebConnection(BoundedConnection):
    """Given to uvicorn as its HTTP protocol; its application is a HotDoor, too."""

    _held: RequestResponseCycle | None = None
    _is_reading = False

    def data_received(self, data: bytes) -> None:
        self._is_reading = True
        try:
            super().data_received(data)
        finally:
            self._is_reading = False
        cycle, self._held = self._held, None
        if cycle is not None and not self._is_taken(cycle):
            super()._start_asgi_task(cycle, self.app)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # A header is complete; whether its body is, too, shows when everything that came with it is read.
        if self._is_reading and self._held is None and app is self.app:
            self._held = cycle
        else:
            super()._start_asgi_task(cycle, app)

    def _is_taken(self, cycle: RequestResponseCycle) -> bool:
        if cycle.more_body or cycle.waiting_for_100_continue or self.transport.is_closing():
            return False
        door: HotDoor = self.app
        taken = door.taken_at_once(cycle.scope, bytes(cycle.body))
        if taken is None:
            return False
        taken.add_done_callback(partial(self._answer, door, cycle))
        return True

    def _answer(self, door: HotDoor, cycle: RequestResponseCycle, taken: "asyncio.Future[Any]") -> None:
        if taken.exception() is not None or self.flow.write_paused:
            answering = self.loop.create_task(door.answer_taken(taken, cycle.send))
            self.tasks.add(answering)
            answering.add_done_callback(self.tasks.discard)
        elif not (cycle.disconnected or self.transport.is_closing()):
            self._write(cycle, *door.answer_of(taken.result()))

    def _write(
        self, cycle: RequestResponseCycle, status: int, fields: list[tuple[bytes, bytes]], octets: bytes
    ) -> None:
        cycle.response_started = cycle.response_complete = True
        lines = [b"%b: %b\r\n" % field for field in (*self.server_state.default_headers, *fields)]
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        self.transport.write(b"".join((STATUS_LINE[status], *lines, b"\r\n", octets)))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
