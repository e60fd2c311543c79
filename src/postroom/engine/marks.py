"""Marks of mail that is held when its outcome is uncertain: each is committed before the end of the content leaves.

A commit for each would cost a report more than its round trip. So one commit marks what is about to leave together with
what waits right behind it (U10). A process that dies after it leaves those behind marked, too: they are held, counted
and shown as uncertain although they had not begun, at most `AT_ONCE` of a server.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import islice

from postroom.flow.delivery.deliver import Courier, Group, Outgoing

AT_ONCE = 16


class LeaseLost(Exception):
    """Somebody else has taken the delivery meanwhile: nothing of it may leave here."""


class Marks:
    """Of one lane, whose groups that wait are `pending`."""

    def __init__(self, courier: Courier, pending: "deque[Group]") -> None:
        self._courier, self._pending = courier, pending
        self._marks: dict[str, asyncio.Task[set[str]]] = {}

    def before(self, server: Outgoing, group: Group) -> Callable[[], Awaitable[None]] | None:
        """What is to be awaited before the end of the group's content leaves; None where nothing is."""
        return partial(self._marked, server, group) if group.is_held_when_uncertain(server.settings) else None

    def forget(self, group: Group) -> None:
        """The group's attempt is over, or was never begun."""
        if self._marks:
            self._marks.pop(_key(group), None)

    async def _marked(self, server: Outgoing, group: Group) -> None:
        """Raises LeaseLost, StorageBusy, StorageUnknown."""
        task = self._marks.get(_key(group))
        if task is None:
            behind = [g for g in islice(self._pending, AT_ONCE - 1) if g.is_held_when_uncertain(server.settings)]
            run = [group, *(g for g in behind if _key(g) not in self._marks)]
            task = asyncio.create_task(self._courier.mark(run))
            task.add_done_callback(partial(self._committed, run))
            self._marks |= {_key(g): task for g in run}
        if not {claimed.lease.attempt_id for claimed in group.claimed} <= await asyncio.shield(task):
            raise LeaseLost

    def _committed(self, run: list[Group], task: "asyncio.Task[set[str]]") -> None:
        """A mark that was not stored is made anew by whoever needs it next."""
        if task.cancelled() or task.exception() is not None:
            for group in run:
                self.forget(group)


def _key(group: Group) -> str:
    return group.claimed[0].lease.attempt_id
