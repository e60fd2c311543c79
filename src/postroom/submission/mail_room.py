"""What all connections of the submission door share: the queue, clients and servers as they are now, and threads."""

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from django.utils import timezone

from postroom.flow.acceptance.arriving import Arrived
from postroom.flow.acceptance.current import Current, read_current
from postroom.flow.acceptance.fresh import Fresh
from postroom.flow.acceptance.queue_room import queue_room
from postroom.flow.delivery.bounce_intake import REPORT_BYTES, BounceDoor
from postroom.flow.users.local_client import DIGEST
from postroom.flow.users.tokens import USE_NOTED_EVERY, client_of_digest, use_is_worth_noting
from postroom.store.blobs import Blobs
from postroom.store.models import ApiToken
from postroom.store.outbox import Outbox
from postroom.store.queue import NewMessage
from postroom.store.writer import StorageBusy
from postroom.terms.problem import Problem

from .door import House
from .few import Few

# They read the database and write files: most of their time is spent waiting for the disk.
_THREADS = 4
# So many lines about refused sign-ins tell what is going on.
_REFUSALS_PER_MINUTE = 20
_log = structlog.get_logger("postroom.submission")


class MailRoom:
    """Belongs to one event loop."""

    def __init__(self, outbox: Outbox, house: House) -> None:
        self.house, self._outbox, self.queue = house, outbox, outbox.queue
        self.executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="submission")
        self.blobs = Blobs(house.data / "blobs")
        self.bounces = BounceDoor(self.executor)
        self.storage = self.blobs.room
        self.clients: Fresh[str, ApiToken] = Fresh(client_of_digest, self.executor)
        self.current: Fresh[None, Current] = Fresh(lambda _: read_current(), self.executor)
        self.queued = queue_room()
        self._counting = False
        self._next_note_s: dict[str, float] = {}
        self.refusals = Few(_REFUSALS_PER_MINUTE)
        self._working: set[asyncio.Future[Any]] = set()

    def trusted_digest(self, address: str) -> str | None:
        """Whose mail it is that comes from that address without a sign-in; None where nobody vouches for it."""
        return DIGEST if address in self.house.trusted else None

    def has_room(self, client_id: str, size_bytes: int) -> bool:
        """Whether disk and queue take one more message of that size."""
        return self.queue_takes(client_id, 1) and self.storage.is_there(size_bytes)

    def queue_takes(self, client_id: str, deliveries: int) -> bool:
        """Whether the queue takes so many more. It is counted beside it where that is due: a client is not kept waiting
        for it."""
        if self.queued.is_due(client_id, deliveries) and not self._counting:
            self._counting = True
            self.keep(asyncio.ensure_future(self._count(client_id, deliveries)))
        return not self.queued.is_full(client_id, deliveries)

    async def _count(self, client_id: str, deliveries: int) -> None:
        try:
            with contextlib.suppress(Problem):  # that it is full is known from now on
                await self.queued.check(client_id, deliveries)
        finally:
            self._counting = False

    def beginning_of(self, arrived: Arrived) -> bytes:
        """As much of a content as a report is read for (blocking). Raises DamagedBlob."""
        if arrived.body is None:
            return arrived.octets
        octets = bytearray(arrived.octets)
        for piece in self.blobs.open(arrived.body.digest, arrived.body.size_bytes).chunks():
            octets += piece
            if len(octets) >= REPORT_BYTES:
                break
        return bytes(octets)

    def keep(self, work: "asyncio.Future[Any]") -> None:
        """Work that goes on although its client leaves (U3)."""
        self._working.add(work)
        work.add_done_callback(self._working.discard)

    def accepted(self, new: NewMessage, enqueuing: "asyncio.Future[Any]") -> None:
        """A message is on its way into the queue."""
        self.queued.note(new.client_id or "", len(new.recipients), enqueuing)

    def note_use(self, client: ApiToken) -> None:
        """Write down that a client was here, at most once a minute."""
        now_s = time.monotonic()
        if now_s < self._next_note_s.get(client.pk, 0.0) or not use_is_worth_noting(client):
            return
        self._next_note_s[client.pk] = now_s + USE_NOTED_EVERY.total_seconds()
        try:
            self._outbox.note_use(client.pk, timezone.now())
        except StorageBusy:
            _log.info("the use of a token was not noted: the database is busy")

    async def close(self) -> None:
        """Finish what was accepted."""
        while self._working:
            await asyncio.wait(tuple(self._working))
        self.executor.shutdown(wait=True)
