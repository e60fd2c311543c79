"""Whatever a client of the sandbox sends is kept: every sender, every recipient, every content."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog
from django.db import DatabaseError, connection

from postroom.flow.acceptance.arriving import Arrived, Arriving
from postroom.flow.acceptance.catch import HEADER_BYTES, caught, caught_file
from postroom.net.incoming import Incoming
from postroom.smtp.server import replies
from postroom.smtp.server.envelope import ReceivedEnvelope
from postroom.store.blobs import Blobs
from postroom.store.models import SandboxMessage

_log = structlog.get_logger("postroom.sandbox")


class Mailbox:
    """What all connections share: where files go, a thread that writes them, one that stores in order of arrival."""

    def __init__(self, blobs: Path) -> None:
        self.blobs = Blobs(blobs)
        self.filing = ThreadPoolExecutor(1, "sandbox-file")
        self.storing = ThreadPoolExecutor(1, "sandbox-store")
        self.tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Finish what was taken."""
        while self.tasks:
            await asyncio.wait(tuple(self.tasks))
        self.filing.shutdown()
        self.storing.shutdown()


class CatchAll:
    """Takes the mail of one connection; implements `net.incoming.Receiver`."""

    __slots__ = ("_arriving", "_envelope", "_incoming", "_mailbox", "_start")

    def __init__(self, mailbox: Mailbox, incoming: Incoming) -> None:
        self._mailbox, self._incoming = mailbox, incoming
        self._arriving: Arriving | None = None
        self._envelope = ReceivedEnvelope("")
        self._start = b""

    def sender_refusal(self, reverse_path: str, size_bytes: int) -> bytes:
        del reverse_path, size_bytes
        return b""

    def recipient_refusal(self, forward_path: str) -> bytes:
        del forward_path
        return b""

    def sign_in(self, username: str, password: str) -> None:
        del username, password
        self._incoming.sign_in_refused(replies.SIGN_IN_REFUSED)

    def begin(self, envelope: ReceivedEnvelope) -> None:
        self._envelope, self._start = envelope, b""
        mailbox, incoming = self._mailbox, self._incoming
        self._arriving = Arriving(mailbox.blobs, mailbox.filing, self._none_in_memory, incoming.hold, incoming.go_on)

    def _none_in_memory(self, octets: bytes) -> int:
        """A large content is one file; its first octets are kept beside it for the list."""
        self._start = octets[:HEADER_BYTES]
        return 0

    def take(self, octets: bytes) -> None:
        if self._arriving is not None:
            self._arriving.take(octets)

    def drop(self) -> None:
        arriving, self._arriving = self._arriving, None
        if arriving is not None:
            arriving.drop()

    def end(self) -> None:
        arriving, self._arriving = self._arriving, None
        assert arriving is not None
        task = asyncio.ensure_future(self._store(arriving, self._envelope))
        self._mailbox.tasks.add(task)
        task.add_done_callback(self._mailbox.tasks.discard)

    async def _store(self, arriving: Arriving, envelope: ReceivedEnvelope) -> None:
        loop = asyncio.get_running_loop()
        try:
            arrived = await arriving.arrived()
            message = await loop.run_in_executor(self._mailbox.storing, self._stored, arrived, envelope)
        except (OSError, DatabaseError) as error:
            _log.error("sandbox message not stored", error=str(error))
            self._incoming.answer(b"451 4.3.0 The sandbox could not store the message, try again later\r\n")
        else:
            self._incoming.answer(f"250 2.0.0 Caught as {message.pk}\r\n".encode("ascii"))

    def _stored(self, arrived: Arrived, envelope: ReceivedEnvelope) -> SandboxMessage:
        paths = envelope.forward_paths
        try:
            if arrived.body is None:
                return caught(envelope.reverse_path, paths, arrived.octets)
            return caught_file(envelope.reverse_path, paths, self._start, arrived.body)
        except DatabaseError:
            connection.close()
            raise
