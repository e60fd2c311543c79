"""Visits to many connections, each every few seconds: deadlines without a timer of their own."""

import asyncio
from typing import Protocol

PERIOD_S = 10.0
_PARTS = 20


class Visited(Protocol):
    """Something that is visited; `place` belongs to the rounds."""

    place: int

    def visit(self, now_s: float) -> None:
        """Look after deadlines, at the event loop's time."""


class Rounds:
    """Adding, removing and each visit cost the same however many there are."""

    def __init__(self, period_s: float = PERIOD_S) -> None:
        self._parts: list[set[Visited]] = [set() for _ in range(_PARTS)]
        self._next = 0
        self._pause_s = period_s / _PARTS
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._pause_s, self._go)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def add(self, visited: Visited) -> None:
        # The part that was visited last comes again after all others.
        visited.place = self._next - 1
        self._parts[visited.place].add(visited)

    def remove(self, visited: Visited) -> None:
        self._parts[visited.place].discard(visited)

    def _go(self) -> None:
        now_s = asyncio.get_running_loop().time()
        for visited in tuple(self._parts[self._next]):
            visited.visit(now_s)
        self._next = (self._next + 1) % _PARTS
        self.start()
