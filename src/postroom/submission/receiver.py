"""One client of the submission door: who it is, what it may send, and its messages on their way into the queue.

A message of a few KiB is accepted in the event loop and costs no task and no thread; it is answered when the commit
that holds it is synced (D1). A large one, or one whose client or servers were not read within the last second, waits.
"""

import asyncio
from datetime import UTC, datetime
from functools import partial

import structlog
from django.db import DatabaseError

from postroom.flow.acceptance.accept_raw import Arrival, Origin, header_size, raw_message, refusal_reply, takes_long
from postroom.flow.acceptance.arriving import Arrived, Arriving
from postroom.flow.acceptance.current import Current
from postroom.flow.delivery.bounce_intake import REPORT_BYTES, is_bounce_address
from postroom.flow.messages.storage_problem import storage_problem
from postroom.flow.users.tokens import digest_of, may, without_tokens
from postroom.message.raw_field import RawProblem
from postroom.net.incoming import Incoming
from postroom.smtp.server import replies
from postroom.smtp.server.envelope import ReceivedEnvelope
from postroom.store.blobs import DamagedBlob
from postroom.store.models import ApiToken
from postroom.store.queue import Enqueued, NewMessage
from postroom.store.writer import StorageBusy, StorageUnknown
from postroom.terms.problem import Problem

from .mail_room import MailRoom

_log = structlog.get_logger("postroom.submission")


class Receiver:
    """Takes the mail of one connection; implements `net.incoming.Receiver`."""

    __slots__ = ("_arriving", "_digest", "_envelope", "_incoming", "_reports", "_room", "_unread_bytes")

    def __init__(self, room: MailRoom, incoming: Incoming) -> None:
        self._room, self._incoming = room, incoming
        self._digest = room.trusted_digest(incoming.address)
        self._arriving: Arriving | None = None
        self._envelope: ReceivedEnvelope | None = None
        self._reports = False
        self._unread_bytes = 0

    # Before the content.

    def sender_refusal(self, reverse_path: str, size_bytes: int) -> bytes:
        del reverse_path
        self._reports = False
        client = self._room.clients.young(self._digest or "")
        return b"" if self._room.has_room(client.pk if client is not None else "", size_bytes) else replies.NO_ROOM

    def recipient_refusal(self, forward_path: str) -> bytes:
        """Whoever was sent a return path may report to it; for anything else a client has to be known. A report has
        one recipient: reading one is work, and strangers do not say how often it is done."""
        if is_bounce_address(forward_path):
            refusal, self._reports = replies.TOO_MANY_RECIPIENTS if self._reports else b"", True
            return refusal
        return b"" if self._digest is not None else replies.SIGN_IN_NEEDED

    def sign_in(self, username: str, password: str) -> None:
        self._room.keep(asyncio.ensure_future(self._signed_in(username, digest_of(password))))

    async def _signed_in(self, username: str, digest: str | None) -> None:
        try:
            client = None if digest is None else await self._room.clients.get(digest)
        except DatabaseError as error:
            _log.error("a sign-in could not be checked", error=str(error))
            self._incoming.sign_in_refused(replies.SIGN_IN_LATER)
            return
        if client is None or not may(client, "send"):
            left_out = self._room.refusals.left_out()
            if left_out is not None:
                shown = without_tokens(username)[:100]
                _log.warning("sign-in refused", address=self._incoming.address, username=shown, left_out=left_out)
            self._incoming.sign_in_refused(replies.SIGN_IN_REFUSED)
            return
        self._digest = digest
        self._room.note_use(client)
        self._incoming.signed_in()

    # The content.

    def begin(self, envelope: ReceivedEnvelope) -> None:
        self._envelope, self._unread_bytes = envelope, REPORT_BYTES
        room, incoming = self._room, self._incoming
        self._arriving = Arriving(room.blobs, room.executor, header_size, incoming.hold, incoming.go_on)

    def take(self, octets: bytes) -> None:
        if self._digest is None:  # A stranger reports, and what is not read of it takes no room on the disk.
            octets = octets[: self._unread_bytes]
            self._unread_bytes -= len(octets)
        if self._arriving is not None and octets:
            self._arriving.take(octets)

    def drop(self) -> None:
        arriving, self._arriving = self._arriving, None
        if arriving is not None:
            arriving.drop()

    def end(self) -> None:
        arriving, self._arriving = self._arriving, None
        envelope, room = self._envelope, self._room
        assert arriving is not None
        assert envelope is not None
        reports = [path for path in envelope.forward_paths if "+" in path and is_bounce_address(path)]
        small = arriving.arrived_small()
        client, current = room.clients.young(self._digest or ""), room.current.young(None)
        if reports:
            room.keep(asyncio.ensure_future(self._take_reports(envelope, arriving, reports)))
        elif small is not None and client is not None and current is not None:
            self._accept(envelope, small, client, current)
        else:
            room.keep(asyncio.ensure_future(self._accept_later(envelope, arriving)))

    async def _take_reports(self, envelope: ReceivedEnvelope, arriving: Arriving, reports: list[str]) -> None:
        """Bounces are read, never passed on; other recipients of the same message get it as ever."""
        room = self._room
        try:
            arrived = await arriving.arrived()
            octets = await asyncio.get_running_loop().run_in_executor(room.executor, room.beginning_of, arrived)
            for path in reports:
                await room.bounces.take(octets, path)
        except (RawProblem, OSError, StorageBusy, DamagedBlob) as error:
            self._refuse(error)
            return
        envelope.forward_paths = [path for path in envelope.forward_paths if path not in reports]
        if envelope.forward_paths:
            await self._accept_arrived(envelope, arrived)
        else:
            self._incoming.answer(replies.REPORT_TAKEN)

    async def _accept_later(self, envelope: ReceivedEnvelope, arriving: Arriving) -> None:
        try:
            arrived = await arriving.arrived()
        except (RawProblem, OSError) as error:
            self._refuse(error)
        else:
            await self._accept_arrived(envelope, arrived)

    async def _accept_arrived(self, envelope: ReceivedEnvelope, arrived: Arrived) -> None:
        room = self._room
        try:
            client = await room.clients.get(self._digest or "")
            current = await room.current.get(None)
        except (Problem, DatabaseError) as error:
            self._refuse(error)
            return
        if client is None or current is None:
            self._incoming.answer(replies.CLIENT_REVOKED)
        else:
            self._accept(envelope, arrived, client, current)

    def _accept(self, envelope: ReceivedEnvelope, arrived: Arrived, client: ApiToken, current: Current) -> None:
        room, recipients = self._room, tuple(dict.fromkeys(envelope.forward_paths))
        # At MAIL it was asked about one, and not about the client where it had not been read lately.
        if not room.queue_takes(client.pk, len(recipients)):
            self._incoming.answer(replies.NO_ROOM)
            return
        arrival = Arrival(
            envelope, recipients, client, self._origin(), arrived.octets, arrived.body, arrived.is_body_ascii
        )
        room.note_use(client)
        now = datetime.now(UTC)
        if takes_long(arrival, current):
            make = partial(raw_message, arrival, current, now, room.blobs)
            making = asyncio.get_running_loop().run_in_executor(room.executor, make)
            room.keep(making)
            making.add_done_callback(self._made)
            return
        try:
            new = raw_message(arrival, current, now, room.blobs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client hears that its message was not taken
            self._refuse(error)
        else:
            self._enqueue(new)

    def _made(self, making: "asyncio.Future[NewMessage]") -> None:
        error = making.exception()
        if error is not None:
            self._refuse(error)
        else:
            self._enqueue(making.result())

    def _enqueue(self, new: NewMessage) -> None:
        try:
            enqueued = asyncio.ensure_future(self._room.queue.enqueue(new))
        except (StorageBusy, StorageUnknown) as error:
            self._refuse(error)
            return
        self._room.keep(enqueued)
        enqueued.add_done_callback(self._enqueued)
        self._room.accepted(new, enqueued)

    def _enqueued(self, future: "asyncio.Future[Enqueued]") -> None:
        error = future.exception()
        if error is not None:
            self._refuse(error)
        else:
            self._incoming.answer(f"250 2.0.0 Accepted as {future.result().id}\r\n".encode("ascii"))

    def _refuse(self, error: BaseException) -> None:
        told = storage_problem(error)
        if isinstance(told, RawProblem | Problem):
            self._incoming.answer(replies.text_reply(*refusal_reply(told)))
        elif isinstance(told, DatabaseError):
            self._incoming.answer(replies.STORAGE_BUSY)
        else:
            _log.error("a message could not be accepted", exc_info=error)
            self._incoming.answer(replies.FAULT)

    def _origin(self) -> Origin:
        incoming = self._incoming
        address = incoming.address
        literal = f"[IPv6:{address.partition('%')[0]}]" if ":" in address else f"[{address}]"
        return Origin(incoming.client_name, literal, self._room.house.host_name, incoming.protocol)
