"""Deliver: open a session to a server, carry one message to a group of its recipients, settle what came of it.

The engine decides when and how many at once; here is what one attempt consists of, in the order of RFC 5321.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Self

import structlog

from postroom.diagnosis.explain import finding_of, finding_of_cause, finding_of_delivery
from postroom.diagnosis.session_evidence import evidence_of, secret_facts
from postroom.net.session import Deadlines, Recorder, Session, SessionFailed, open_session
from postroom.policy.egress import may_dial
from postroom.policy.outcome import is_about_sign_in, is_server_fault, uncertain_policy
from postroom.smtp.content import Content
from postroom.smtp.trace import Event, OurRefusal
from postroom.store.activity_log import ActivityLog
from postroom.store.blobs import Blobs, DamagedBlob
from postroom.store.content import INLINE_BYTES, Contents
from postroom.store.models import SmtpServer
from postroom.store.queue import Claimed, Queue
from postroom.store.vault import VaultError
from postroom.terms.envelope import Envelope, RecipientResult
from postroom.terms.finding import Finding
from postroom.terms.limits import RECIPIENTS_PER_TRANSACTION
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply
from postroom.terms.server import ServerSettings, UncertainPolicy

from .closer_look import CloserLook
from .configure import allowed_ports, unsealed_password
from .settle import Explain, ServerName, Settler, Standings, note

_log = structlog.get_logger("postroom.deliver")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A server as the engine works with it: its row, and what of it is needed for each message, read once.

    `key` is equal for two rows of a server while a session of the one serves the other."""

    row: SmtpServer
    settings: ServerSettings
    name: ServerName
    key: str
    takes_deliveries: bool

    @classmethod
    def of(cls, row: SmtpServer) -> Self:
        settings = row.typed_settings
        name, key = ServerName(row.pk, row.name, settings.uncertain), settings.fingerprint(row.secret_id)
        return cls(row, settings, name, key, row.takes_deliveries)


@dataclass(frozen=True, slots=True)
class Group:
    """Recipients of one message that share a transaction; never empty."""

    claimed: tuple[Claimed, ...]

    @property
    def envelope(self) -> Envelope:
        message = self.claimed[0].message
        return Envelope(
            reverse_path=message.reverse_path,
            forward_paths=tuple(c.recipient for c in self.claimed),
            size_bytes=message.content_size,
            needs_8bit=message.needs_8bit,
            needs_smtputf8=message.needs_smtputf8,
        )


def groups_of(claimed: Iterable[Claimed], recipients_per_message: int | None) -> list[Group]:
    """Claimed deliveries as transactions: recipients of one message together, as many as the server takes at once."""
    most = min(recipients_per_message or RECIPIENTS_PER_TRANSACTION, RECIPIENTS_PER_TRANSACTION)
    groups = []
    for _, members in groupby(claimed, key=lambda c: c.message.id):
        same = tuple(members)
        groups += [Group(same[i:i + most]) for i in range(0, len(same), most)]
    return groups


@dataclass(frozen=True, slots=True)
class ServerFault:
    """The server as a whole can't be used. `sign_in`: it refused our sign-in."""

    stage: Stage
    reply: Reply | None
    reason: str
    finding: Finding
    sign_in: bool = False

    def result_for(self, claimed: Claimed) -> RecipientResult:
        return RecipientResult(claimed.recipient, Outcome.DEFERRED, self.stage, self.reply, self.reason)


class Unusable(Exception):
    """No session came about; `fault` says why."""

    def __init__(self, fault: ServerFault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


@dataclass(slots=True, eq=False)
class OpenSession:
    """A session with its notebook. The first `opening` events precede those of each transaction."""

    session: Session
    recorder: Recorder
    key: str
    opening: int
    carried: int = field(default=0)

    def is_for(self, server: Outgoing) -> bool:
        """Whether the server's settings are still those that the session was opened with."""
        return self.key == server.key

    def forget_transaction(self) -> None:
        """Keep only how the session began, so that a long-lived session does not grow (B14)."""
        del self.recorder.trace.events[self.opening:]

    async def close(self) -> None:
        await self.session.close()


class Courier:
    """Opens sessions and carries groups of deliveries."""

    def __init__(
        self,
        queue: Queue,
        blobs: Blobs,
        log: ActivityLog,
        settler: Settler,
        *,
        default_ehlo_name: str,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._queue = queue
        self._contents = Contents(blobs)
        self._log = log
        self._settler = settler
        self._default_ehlo_name = default_ehlo_name
        self._deadlines = deadlines or Deadlines()
        self._looks: dict[str, tuple[str, str, CloserLook]] = {}

    async def opened(self, server: Outgoing) -> OpenSession:
        """A session to the server, signed in. Raises Unusable; nobody is dialed where port or password are at fault."""
        settings, recorder = server.settings, Recorder()
        if settings.port not in allowed_ports(server.row):
            finding = finding_of_cause("port-not-allowed", values={"port": str(settings.port)})
            raise Unusable(ServerFault(Stage.CONNECT, None, finding.title, finding))
        try:
            password = unsealed_password(server.row)
        except VaultError as error:
            finding = finding_of_cause("password-unreadable", quotes=(str(error),))
            raise Unusable(ServerFault(Stage.AUTHENTICATE, None, finding.title, finding, sign_in=True)) from error
        try:
            session = await open_session(
                settings, password, recorder, self._deadlines,
                default_ehlo_name=self._default_ehlo_name, allowed=may_dial,
            )
        except SessionFailed as failed:
            facts = secret_facts(settings.username, password)
            raise Unusable(await self._fault(server, recorder.trace.events, failed, facts)) from failed
        except ValueError as error:
            finding = finding_of_cause("helo-name-invalid", quotes=(str(error),))
            raise Unusable(ServerFault(Stage.EHLO, None, finding.title, finding)) from error
        self._looks.pop(server.row.pk, None)
        self._log_session(server, "connected", "information", seconds=recorder.now_s())
        return OpenSession(session, recorder, server.key, len(recorder.trace.events))

    async def _fault(
        self, server: Outgoing, events: Sequence[Event], failed: SessionFailed, facts: tuple[str, ...]
    ) -> ServerFault:
        result = RecipientResult("", Outcome.DEFERRED, failed.stage, failed.reply, failed.reason)
        first = finding_of(evidence_of(events, server.settings, secret_facts=facts))
        try:
            finding = await self._look_after(server, first).finding(events, secret_facts=facts)
        except Exception:  # noqa: BLE001 - logged whole; where mail goes must not depend on what is said of a failure
            _log.exception("the closer look at a server broke", server=server.name.name)
            finding = first
        fault = ServerFault(failed.stage, failed.reply, failed.reason, finding, sign_in=is_about_sign_in(result))
        self._log_session(server, "error", "error", fault=fault)
        return fault

    def _look_after(self, server: Outgoing, first: Finding) -> CloserLook:
        """The closer look at a failure whose session alone showed `first`; while it lasts, at the first time only."""
        known = self._looks.get(server.row.pk)
        if known is None or known[:2] != (server.key, first.cause):
            look = CloserLook(server.settings, allowed_ports(server.row), self._default_ehlo_name)
            known = self._looks[server.row.pk] = (server.key, first.cause, look)
        return known[2]

    async def carry(self, server: Outgoing, opened: OpenSession, group: Group) -> "Carried":
        """One transaction; nothing is settled yet. Raises DamagedBlob or ValueError when it can't be sent as it is."""
        started = time.monotonic()
        settings, size_bytes = server.settings, group.claimed[0].message.content_size
        if settings.limits.size_bytes is not None and size_bytes > settings.limits.size_bytes:
            return _too_large(group, size_bytes, settings.limits.size_bytes)
        content = await self._content(group)
        results = await opened.session.transact(
            group.envelope, content, before_final_dot=self._mark(settings, group)
        )
        opened.carried += 1
        events = tuple(opened.recorder.trace.events)
        opened.forget_transaction()
        return Carried(tuple(zip(group.claimed, results, strict=True)), events, time.monotonic() - started)

    async def settle(
        self, server: Outgoing, carried: "Carried", standings: Standings, wait_s: float | None = None
    ) -> None:
        """Store what a transaction came to; `standings` and `wait_s` as in `Settler.settle_results`."""
        def explained(result: RecipientResult) -> Finding:
            return finding_of_delivery(carried.events, server.settings, result)

        await self._settler.settle_results(
            server.name, carried.pairs, explained, seconds=carried.seconds, wait_s=wait_s, standings=standings
        )

    async def settle_fault(
        self, server: Outgoing, group: Group, fault: ServerFault, standings: Standings, wait_s: float
    ) -> None:
        """Move a group away from a server at fault, or defer it there (never fail it)."""
        explained: Explain = lambda _: fault.finding  # noqa: E731  one line says it
        pairs = [(claimed, fault.result_for(claimed)) for claimed in group.claimed]
        await self._settler.settle_results(
            server.name, pairs, explained, seconds=0.0, wait_s=wait_s, standings=standings
        )

    async def hold(self, server: Outgoing, group: Group, error: DamagedBlob | ValueError) -> None:
        """Set a group apart that can't be sent as it is (D9, D10, P3)."""
        cause = "content-damaged" if isinstance(error, DamagedBlob) else "envelope-refused-here"
        await self._settler.hold(server.name, group.claimed, cause, str(error))

    def log_failing(self, server: Outgoing, fault: ServerFault) -> None:
        """A line that the server is marked failing from now on."""
        note(self._log, _server_entry(server, "failing", "error") | _of_fault(fault))

    def log_working(self, server: Outgoing) -> None:
        """A line that the server is no longer marked failing."""
        note(self._log, _server_entry(server, "working", "information"))

    async def _content(self, group: Group) -> Content:
        message = group.claimed[0].message
        if message.content is None:
            raise DamagedBlob("the stored content is gone or can't be read")
        # A large file is checked in a thread: reading it would hold up every other session.
        if not any(part.size_bytes > INLINE_BYTES for part in message.content.blob_parts):
            return self._contents.open(message.content, message.content_digest, message.content_size)
        return await asyncio.to_thread(
            self._contents.open, message.content, message.content_digest, message.content_size
        )

    def _mark(self, settings: ServerSettings, group: Group) -> Callable[[], "asyncio.Future[None]"] | None:
        """Where uncertain mail is held, the mark that makes it so is committed before the final dot (U10)."""
        purpose = group.claimed[0].message.purpose
        if uncertain_policy(purpose, settings.uncertain) is not UncertainPolicy.HOLD:
            return None
        return lambda: asyncio.ensure_future(self._queue.mark_transacting([c.lease for c in group.claimed]))

    def _log_session(
        self, server: Outgoing, outcome: str, severity: str, *, seconds: float = 0.0, fault: ServerFault | None = None
    ) -> None:
        entry: dict[str, object] = {
            "kind": "session", "outcome": outcome, "severity": severity, "server": server.name.name,
            "server_id": server.name.id, "seconds": round(seconds, 3),
        }
        if fault is not None:
            entry |= _of_fault(fault)
        note(self._log, entry)


def _server_entry(server: Outgoing, outcome: str, severity: str) -> dict[str, object]:
    return {
        "kind": "server", "outcome": outcome, "severity": severity, "server": server.name.name,
        "server_id": server.name.id,
    }


def _of_fault(fault: ServerFault) -> dict[str, object]:
    return {
        "stage": str(fault.stage), "code": fault.reply.code if fault.reply else None,
        "enhanced": fault.reply.enhanced if fault.reply else None,
        "reply": str(fault.reply) if fault.reply else fault.reason, "cause": fault.finding.cause,
        "title": fault.finding.title,
    }


@dataclass(frozen=True, slots=True)
class Carried:
    """What one transaction came to, recipient by recipient."""

    pairs: tuple[tuple[Claimed, RecipientResult], ...]
    events: tuple[Event, ...]
    seconds: float

    @property
    def was_cut_before_anything(self) -> bool:
        """The connection turned out to be gone at the first command: the transaction never began."""
        return all(
            r.outcome is Outcome.DEFERRED and r.stage is Stage.SENDER and (r.reply is None or r.reply.code == 421)
            for _, r in self.pairs
        )

    def server_fault(self, settings: ServerSettings) -> ServerFault | None:
        """The fault of the server as a whole that this transaction showed, such as a missing sign-in."""
        for _, result in self.pairs:
            if is_server_fault(result):
                finding = finding_of_delivery(self.events, settings, result)
                return ServerFault(result.stage, result.reply, result.reason, finding, is_about_sign_in(result))
        return None


def _too_large(group: Group, size_bytes: int, most_bytes: int) -> Carried:
    text = f"the message has {size_bytes} bytes, this server's limit is {most_bytes}"
    pairs = tuple((c, RecipientResult(c.recipient, Outcome.FAILED, Stage.SENDER, None, text)) for c in group.claimed)
    return Carried(pairs, (OurRefusal(0.0, Stage.SENDER, "too-large", text),), 0.0)
