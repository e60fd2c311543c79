"""The size limit of the queue, for each client and in all (B8): full is a clear refusal, and others are not touched.

Nothing is counted for each message: the queue is counted now and then, what this process accepted since is added to it,
and it is counted again well before that could pass a limit, other processes included. Near a limit it is counted about
once a second, so that it is passed by no more than what other processes accept within one.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, connection

from postroom.store.queue_depth import queue_depths
from postroom.terms.problem import Problem
from postroom.terms.wording import worded

RETRY_AFTER_S = 30
# So many processes may accept beside each other before a count is due, each its share of what is left.
PROCESSES = 4
YOUNG_S = 1.0
# Counting may take this share of the time.
SHARE = 0.1

_log = structlog.get_logger("postroom.queue_room")


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Deliveries that may be in the queue."""

    in_all: int
    per_client: int


class QueueRoom:
    """Of one process; any thread may ask. `count` blocks, and runs in `executor`."""

    def __init__(
        self,
        limits: QueueLimits,
        *,
        count: Callable[[], Mapping[str, int]] = queue_depths,
        executor: Executor | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits, self._count, self._executor, self._now_s = limits, count, executor, now_s
        self._counted: Mapping[str, int] = {}
        self._total = 0
        # Accepted since the last count, and on its way into the queue.
        self._since: Counter[str] = Counter()
        self._coming: Counter[str] = Counter()
        self._counted_s: float | None = None
        self._took_s = 0.0
        self._lock = threading.Lock()

    async def check(self, client_id: str, deliveries: int) -> None:
        """Raise Problem where so many more of the client are too many; `client_id` is `NewMessage.client_key`."""
        if self._is_worth_counting(client_id, deliveries) and self._lock.acquire(blocking=False):
            try:
                await asyncio.get_running_loop().run_in_executor(self._executor, self._recount)
            finally:
                self._lock.release()
        self._refuse_beyond(client_id, deliveries)

    def _refuse_beyond(self, client_id: str, deliveries: int) -> None:
        if self._left(client_id) < deliveries:
            raise self._full(client_id, deliveries)

    @asynccontextmanager
    async def taken(self, client_id: str, deliveries: int) -> AsyncIterator[None]:
        """Room for so many more, which are queued meanwhile. Raises Problem as `check`."""
        await self.check(client_id, deliveries)
        with self._on_their_way(client_id, deliveries):
            yield

    @contextmanager
    def taken_in_thread(self, client_id: str, deliveries: int) -> Iterator[None]:
        """As `taken`, for whoever may block."""
        if self._is_worth_counting(client_id, deliveries) and self._lock.acquire(blocking=False):
            try:
                self._recount()
            finally:
                self._lock.release()
        self._refuse_beyond(client_id, deliveries)
        with self._on_their_way(client_id, deliveries):
            yield

    @contextmanager
    def _on_their_way(self, client_id: str, deliveries: int) -> Iterator[None]:
        self._coming[client_id] += deliveries
        try:
            yield
            self._since[client_id] += deliveries
        finally:
            self._coming[client_id] -= deliveries

    def is_full(self, client_id: str, deliveries: int) -> bool:
        """Whether so many more are too many by what is known, without counting: for doors that can't wait, which ask
        `check` beside it and `note` what they accept."""
        return self._left(client_id) < deliveries

    def takes(self, client_id: str, deliveries: int) -> bool:
        """Whether so many more may come without counting first."""
        return not (self._is_worth_counting(client_id, deliveries) or self.is_full(client_id, deliveries))

    def note(self, client_id: str, deliveries: int, enqueuing: "asyncio.Future[Any]") -> None:
        """So many are on their way into the queue, until that future is done: a count meanwhile misses them."""
        self._coming[client_id] += deliveries
        enqueuing.add_done_callback(partial(self._arrived, client_id, deliveries))

    def _arrived(self, client_id: str, deliveries: int, enqueued: "asyncio.Future[Any]") -> None:
        self._coming[client_id] -= deliveries
        if not enqueued.cancelled() and enqueued.exception() is None:
            self._since[client_id] += deliveries

    def is_due(self, client_id: str, deliveries: int) -> bool:
        """Whether `check` would count now."""
        return self._is_worth_counting(client_id, deliveries)

    def _left(self, client_id: str) -> int:
        """How many more the client may hand in, by what is known."""
        own = self._limits.per_client - self._of(client_id)
        return min(own, self._limits.in_all - self._total - self._since.total() - self._coming.total())

    def _of(self, client_id: str) -> int:
        return self._counted.get(client_id, 0) + self._since[client_id] + self._coming[client_id]

    def _is_worth_counting(self, client_id: str, deliveries: int) -> bool:
        if self._counted_s is None:
            return True
        age_s = self._now_s() - self._counted_s
        if age_s < max(YOUNG_S, self._took_s / SHARE):
            return False
        left = self._left(client_id)
        own = self._since.total()
        return left < deliveries or (own + deliveries) * PROCESSES > left + own

    def _recount(self) -> None:
        begun_s, since = self._now_s(), self._since
        self._since = Counter()
        try:
            counted = dict(self._count())
        except DatabaseError as error:
            connection.close()
            self._since += since
            _log.warning("the queue could not be counted", error=str(error))
            return
        self._counted, self._total = counted, sum(counted.values())
        self._counted_s, self._took_s = begun_s, self._now_s() - begun_s

    def _full(self, client_id: str, deliveries: int) -> Problem:
        if self._of(client_id) + deliveries > self._limits.per_client:
            detail = worded(
                "This client has as many deliveries in the queue as it may have ({most:,})."
                " Send it again when some have left.", most=self._limits.per_client,
            )
        else:
            detail = worded(
                "The queue holds as many deliveries as it may ({most:,}). Send it again when some have left.",
                most=self._limits.in_all,
            )
        return Problem(429, "queue-full", "The queue is full", detail, retry_after_s=RETRY_AFTER_S)


@cache
def queue_room() -> QueueRoom:
    """The one of this process, with the limits of its settings."""
    return QueueRoom(QueueLimits(settings.QUEUE_LIMIT, settings.QUEUE_LIMIT_PER_CLIENT))
