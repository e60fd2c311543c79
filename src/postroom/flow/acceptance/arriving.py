"""Content on its way in: a few KiB stay in memory; more goes to a file while it comes, with a bound on what waits.

Nothing here blocks the event loop: files are written by threads, and the client is not read from while they lag.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from postroom.store.blobs import Blob, Blobs, Spool
from postroom.store.content import INLINE_BYTES, BlobPart

# So much may wait for the disk before the client is not read from, and so little when it is again.
_HIGH_BYTES = 2 * 1024 * 1024
_LOW_BYTES = 256 * 1024


@dataclass(slots=True)
class Arrived:
    """Content that is complete: `octets` are all of it, or what `head_size` chose where `body` is a synced file."""

    octets: bytes = field(repr=False)
    body: BlobPart | None = None
    is_body_ascii: bool = True


class Arriving:
    """One content. `head_size` says how many of the first octets stay in memory when the rest is to be a file; what it
    raises is raised by `arrived`. `hold` and `go_on` stop and continue the client."""

    __slots__ = (
        "_blobs", "_dropping", "_executor", "_fault", "_go_on", "_head", "_head_size", "_hold", "_is_ascii",
        "_is_dropped", "_is_held", "_job", "_pieces", "_size", "_spool", "_waiting_bytes",
    )

    def __init__(
        self, blobs: Blobs, executor: Executor, head_size: Callable[[bytes], int], hold: Callable[[], None],
        go_on: Callable[[], None],
    ) -> None:
        self._blobs, self._executor, self._head_size = blobs, executor, head_size
        self._hold, self._go_on = hold, go_on
        self._pieces: list[bytes] = []
        self._size = 0
        self._head: bytes | None = None
        self._spool: Spool | None = None
        self._job: asyncio.Future[None] | None = None
        self._waiting_bytes = 0
        self._is_held = self._is_dropped = False
        self._is_ascii = True
        self._fault: Exception | None = None

    def take(self, octets: bytes) -> None:
        """The next octets."""
        if self._fault is not None or self._is_dropped:
            return
        self._pieces.append(octets)
        self._size += len(octets)
        if self._head is not None:
            self._waiting_bytes += len(octets)
            self._write_on()
        elif self._size > INLINE_BYTES:
            self._begin_file()

    def _begin_file(self) -> None:
        octets = b"".join(self._pieces)
        try:
            head = self._head_size(octets)
        except Exception as fault:  # noqa: BLE001 - told to whoever asks for the content
            self._fault, self._pieces = fault, []
            return
        self._head, self._pieces = octets[:head], [octets[head:]]
        self._waiting_bytes = len(octets) - head
        self._write_on()

    def _write_on(self) -> None:
        """One thread at a time writes what has gathered meanwhile."""
        if self._waiting_bytes > _HIGH_BYTES and not self._is_held:
            self._is_held = True
            self._hold()
        if self._job is None and self._pieces:
            pieces, self._pieces, self._waiting_bytes = self._pieces, [], 0
            self._job = asyncio.get_running_loop().run_in_executor(self._executor, self._write, pieces)
            self._job.add_done_callback(self._written)

    def _write(self, pieces: list[bytes]) -> None:
        if self._spool is None:
            self._spool = self._blobs.spool()
        for piece in pieces:
            self._spool.write(piece)
            self._is_ascii = self._is_ascii and piece.isascii()

    def _written(self, job: "asyncio.Future[None]") -> None:
        self._job = None
        error = job.exception()
        if isinstance(error, Exception):
            self._fault, self._pieces, self._waiting_bytes = error, [], 0
        self._write_on()
        self._read_on()

    def _read_on(self) -> None:
        if self._is_held and self._waiting_bytes <= _LOW_BYTES:
            self._is_held = False
            self._go_on()

    def arrived_small(self) -> Arrived | None:
        """The complete content where all of it is in memory."""
        if self._head is not None or self._fault is not None:
            return None
        pieces = self._pieces
        return Arrived(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    async def arrived(self) -> Arrived:
        """The complete content, its file synced. Raises OSError, and what `head_size` raised."""
        while self._job is not None:
            await asyncio.wait([self._job])
            await asyncio.sleep(0)
        if self._fault is not None:
            await self._forget()
            raise self._fault
        if self._head is None:
            return Arrived(b"".join(self._pieces))
        blob = await asyncio.get_running_loop().run_in_executor(self._executor, self._finish)
        return Arrived(self._head, BlobPart(blob.digest, blob.size_bytes), self._is_ascii)

    def _finish(self) -> Blob:
        spool = self._spool or self._blobs.spool()
        return spool.finish()

    def drop(self) -> None:
        """Forget the content; its file goes once nobody writes it any more."""
        self._is_dropped, self._pieces, self._waiting_bytes = True, [], 0
        self._read_on()
        if self._head is not None:
            self._dropping = asyncio.ensure_future(self._forget())

    async def _forget(self) -> None:
        while self._job is not None:
            await asyncio.wait([self._job])
            await asyncio.sleep(0)
        if self._spool is not None:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._spool.discard)
