"""Bodies too large to lie in memory while they arrive: they wait in a file, so that a client that stalls holds nothing
that others need (B4, B6)."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from postroom.flow.messages.storage_problem import storage_problem
from postroom.terms.problem import Problem

from .exchange import Receive, Scope, chunks_of

# A body above this size is large: it is copied several times on its way, so only a few are worked at together.
LARGE_BYTES = 1024 * 1024
LARGE_AT_ONCE = 2
LARGE_WAIT_S = 60.0
# Bodies that may be arriving at the same time, from one client and in all: each is a file that grows.
ARRIVING_OF_ONE = 8
ARRIVING = 64
_BLOCK_BYTES = 512 * 1024
T = TypeVar("T")


class Arrivals:
    """How many large bodies are on their way. Belongs to one event loop."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    def begin(self, client_id: str) -> None:
        """One more of this client. Raises Problem when there are too many."""
        if self._of[client_id] >= ARRIVING_OF_ONE or self._of.total() >= ARRIVING:
            detail = f"A client may send {ARRIVING_OF_ONE} large bodies at once. Send this one again in a minute."
            raise Problem(503, "busy", "Postroom is busy", detail, retry_after_s=60)
        self._of[client_id] += 1

    def end(self, client_id: str) -> None:
        """One of them has arrived, or will not."""
        self._of[client_id] -= 1
        if not self._of[client_id]:
            del self._of[client_id]


class LargeBodies:
    """Reads large bodies by way of files in one folder, which nobody else sees."""

    def __init__(self, folder: Path, arrivals: Arrivals, executor: Executor) -> None:
        self._folder = folder
        self._executor = executor
        self._arrivals = arrivals
        self._working = asyncio.Semaphore(LARGE_AT_ONCE)

    @asynccontextmanager
    async def body(self, scope: Scope, receive: Receive, limit_bytes: int, client_id: str) -> AsyncIterator[bytes]:
        """The whole body, and a place among the few that are worked at. Raises Problem or ClientGone."""
        self._arrivals.begin(client_id)
        try:
            file = await self._arrived(scope, receive, limit_bytes)
        finally:
            self._arrivals.end(client_id)
        try:
            await self._turn()
            try:
                yield await self._in_thread(lambda: _content(file))
            finally:
                self._working.release()
        finally:
            file.close()

    async def _turn(self) -> None:
        try:
            await asyncio.wait_for(self._working.acquire(), LARGE_WAIT_S)
        except TimeoutError:
            detail = "Too many large messages are arriving at once. Send it again in a minute."
            raise Problem(503, "busy", "Postroom is busy", detail, retry_after_s=60) from None

    async def _arrived(self, scope: Scope, receive: Receive, limit_bytes: int) -> IO[bytes]:
        file = await self._in_thread(self._new_file)
        try:
            async for block in blocks_of(chunks_of(scope, receive, limit_bytes)):
                await self._in_thread(partial(file.write, block))
            await self._in_thread(file.flush)
        except OSError as error:
            file.close()
            raise storage_problem(error) from error
        except BaseException:
            file.close()
            raise
        return file

    def _new_file(self) -> IO[bytes]:
        """A file without a name: it is gone with whoever holds it open."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._folder)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


async def blocks_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same octets in blocks of about half a MiB, so that a thread is asked for less often."""
    waiting: list[bytes] = []
    async for chunk in chunks:
        waiting.append(chunk)
        if sum(map(len, waiting)) >= _BLOCK_BYTES:
            yield b"".join(waiting)
            waiting.clear()
    if waiting:
        yield b"".join(waiting)


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
