"""A program's lives: it accepts, claims, sends and settles a few messages, and is hit at a numbered moment.

`main` runs below the library of effects.c, with the arguments FOLDER TEMPLATE KIND NUMBER…. For each number it forks a
process that lives in FOLDER/NUMBER on a copy of the database TEMPLATE and is hit at its effect of that number; then,
where it was killed, another one that is left in peace. It prints the numbers of effects that whole lives had.
Beside the data lie what an outside world remembers: what clients were answered, and what a server took.
"""

import asyncio
import ctypes
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from postroom.flow.delivery.settle import ServerName, Settler
from postroom.store.activity_log import ActivityLog
from postroom.store.blobs import Blobs
from postroom.store.content import INLINE_BYTES, BlobPart, Contents, FrozenContent
from postroom.store.ids import new_id
from postroom.store.queue import Claimed, Enqueued, NewMessage
from postroom.store.queue_sqlite import SqliteQueue
from postroom.store.writer import StorageBusy, StorageUnknown
from postroom.store.writer_sqlite import GroupWriter
from postroom.terms.envelope import RecipientResult
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply

NOTHING, KILL, BREAK_SYNC = range(3)
KINDS = {"kill": KILL, "break-sync": BREAK_SYNC, "record": NOTHING}
MESSAGES = 6
LEASE = timedelta(minutes=1)
T = TypeVar("T")

_effects = ctypes.CDLL(None)


class Life:
    """One process on the data below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        data = folder / "data"
        self._writer = GroupWriter(data / "postroom.sqlite3")
        self._queue = SqliteQueue(self._writer)
        self._blobs = Blobs(data / "blobs")
        self._contents = Contents(self._blobs)
        self._settler = Settler(self._queue, ActivityLog(data / "logs"), jitter=lambda: 0.0)
        self._server = ServerName((folder.parent / "server").read_text(), "Sink")

    async def live(self) -> None:
        """Accept what clients have not been answered for, then deliver everything."""
        for number in range(MESSAGES):
            if not self._remembers("accepted", f"key{number} "):
                enqueued = await until_it_works(lambda number=number: self._accepted(number))
                self._remember("accepted", f"key{number} {enqueued.id} {' '.join(r for _, r in enqueued.deliveries)}")
        await until_it_works(lambda: self._settler.settle_abandoned(lambda _: self._server, lease_over=False))
        while claimed := (await until_it_works(self._claimed)):
            for each in claimed:
                await self._send(each)
        self._writer.close()

    async def _accepted(self, number: int) -> Enqueued:
        """A small message, one too large for the database, one of a file that was streamed; and again."""
        now = datetime.now(UTC)
        message_id = f"<{number}@postroom.example>"
        head = f"Message-ID: {message_id}\r\n\r\n".encode()
        match number % 3:
            case 0:
                content = FrozenContent((head + b"small\r\n",))
            case 1:
                content = FrozenContent((head + b"large\r\n" * (INLINE_BYTES // 6),))
            case _:
                with self._blobs.spool() as spool:
                    for _ in range(3):
                        spool.write(b"streamed\r\n" * 3_000)
                    blob = spool.finish()
                content = FrozenContent((head, BlobPart(blob.digest, blob.size_bytes)))
        return await self._queue.enqueue(NewMessage(
            message_id=message_id, reverse_path="reports@example.com", from_header="reports@example.com",
            recipients=tuple(f"r{n}.{number}@example.org" for n in range(1 + number % 2)),
            content=self._contents.kept(content), created_at=now, expires_at=now + timedelta(days=1), id=new_id(),
            server_id=self._server.id, purpose="report" if number == 3 else "notification",
            idempotency_scope="client", idempotency_key=f"key{number}", request_digest=str(number),
        ))

    async def _claimed(self) -> tuple[Claimed, ...]:
        now = datetime.now(UTC) + timedelta(hours=1)
        return (await self._queue.claim(self._server.id, now=now, lease_until=now + LEASE, limit=2)).claimed

    async def _send(self, claimed: Claimed) -> None:
        message = claimed.message
        assert message.content is not None
        if message.purpose == "report":
            await until_it_works(lambda: self._queue.mark_transacting([claimed.lease]))
        octets = b"".join(
            self._contents.open(message.content, message.content_digest, message.content_size).chunks()
        )
        assert octets.startswith(f"Message-ID: {message.message_id}\r\n".encode())
        self._remember("arrived", f"{message.message_id} {claimed.recipient}")
        sent = RecipientResult(claimed.recipient, Outcome.SENT, Stage.MESSAGE, Reply(250, ("2.0.0 kept",)), "")
        await self._settler.settle_results(self._server, [(claimed, sent)], _unexplained, seconds=0.1)
        self._remember("settled", claimed.lease.delivery_id)

    def _remember(self, what: str, line: str) -> None:
        with (self._folder / what).open("a") as file:
            file.write(line + "\n")
        _effects.effects_note(f"{what} {line}".encode())

    def _remembers(self, what: str, start: str) -> bool:
        path = self._folder / what
        return path.exists() and any(line.startswith(start) for line in path.read_text().splitlines())


def _unexplained(_: RecipientResult) -> object:
    raise AssertionError("everything is sent")


async def until_it_works(work: Callable[[], Awaitable[T]]) -> T:
    """As a client or the engine does it: whoever hears that nothing is known asks again, with the same key."""
    while True:
        try:
            return await work()
        except (StorageBusy, StorageUnknown, OSError):
            await asyncio.sleep(0.01)


def lived(folder: Path, kind: int, number: int) -> tuple[bool, int]:
    """Whether the life was whole, and how many effects it had so far as this process knows."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if kind == NOTHING and number:
            _effects.effects_record(os.fsencode(folder / "record"))
        _effects.effects_arm(os.fsencode(folder / "data"), kind, number)
        asyncio.run(Life(folder).live())
        os.write(writing, str(_effects.effects_counted()).encode())
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    counted = os.read(reading, 64)
    os.close(reading)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(f"life {folder} ended by an error")
    return os.WIFEXITED(status), int(counted or 0)


def main() -> None:
    """Print "life NUMBER EFFECTS" for each life that came to its end by itself."""
    folder, template, kind = Path(sys.argv[1]), Path(sys.argv[2]), KINDS[sys.argv[3]]
    for number in map(int, sys.argv[4:]):
        own = folder / str(number)
        (own / "data").mkdir(parents=True)
        shutil.copy(template, own / "data" / "postroom.sqlite3")
        whole, effects = lived(own, kind, number)
        if whole:
            print("life", number, effects, flush=True)
        else:
            assert lived(own, NOTHING, 0)[0]
