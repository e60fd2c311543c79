"""Deliver: open a session to a server, carry one message after another to groups of recipients, settle what came of it.

The engine decides when and how many at once; here is what one attempt consists of, in the order of RFC 5321.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Self

import structlog

from postroom.diagnosis.explain import finding_of, finding_of_cause, finding_of_delivery
from postroom.diagnosis.session_evidence import evidence_of, secret_facts
from postroom.net.cargo import Cargo, Ended, Shipment
from postroom.net.session import Deadlines, Recorder, Session, SessionFailed, open_session
from postroom.policy.egress import may_dial
from postroom.policy.manners import Manners, Pipelining
from postroom.policy.outcome import is_about_sign_in, is_server_fault, uncertain_policy
from postroom.smtp.content import Canonical
from postroom.smtp.notes import Notes
from postroom.smtp.trace import Event, OurRefusal
from postroom.store.activity_log import ActivityLog
from postroom.store.blobs import Blobs, DamagedBlob
from postroom.store.content import Contents
from postroom.store.models import SmtpServer
from postroom.store.queue import Claimed, Queue
from postroom.store.vault import VaultError
from postroom.terms.envelope import Envelope, RecipientResult
from postroom.terms.finding import Finding
from postroom.terms.limits import RECIPIENTS_PER_TRANSACTION
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply
from postroom.terms.server import ServerSettings, UncertainPolicy

from ..servers.configure import allowed_ports, unsealed_password
from .closer_look import CloserLook
from .return_path import is_per_recipient, reverse_path_of
from .settle import Explain, ServerName, Settler, Standings, Transacted, note

_log = structlog.get_logger("postroom.deliver")


# What a server gets from now on, by what is left of (pipelining, chunking).
PLAINER = {
    (Pipelining.MESSAGES, True): "everything as before",
    (Pipelining.ENVELOPE, True): "no two messages are under way to it at once",
    (Pipelining.NONE, True): "it gets one command at a time",
    (Pipelining.MESSAGES, False): "it gets content after DATA",
    (Pipelining.ENVELOPE, False): "no two messages are under way to it at once, content follows DATA",
    (Pipelining.NONE, False): "it gets one command at a time, content follows DATA",
}


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
    """Recipients of one message that share a transaction; never empty. `careful`: it is sent with nothing else under
    way, since the server did not take it otherwise."""

    claimed: tuple[Claimed, ...]
    careful: bool = False

    def envelope(self, settings: ServerSettings) -> Envelope:
        first = self.claimed[0]
        message = first.message
        return Envelope(
            reverse_path=reverse_path_of(settings, message.reverse_path, first.lease.delivery_id),
            forward_paths=tuple([c.recipient for c in self.claimed]),
            size_bytes=message.content_size,
            needs_8bit=message.needs_8bit,
            needs_smtputf8=message.needs_smtputf8,
        )

    def is_held_when_uncertain(self, settings: ServerSettings) -> bool:
        """Whether a mark is to be committed before the end of its content leaves (U10)."""
        return uncertain_policy(self.claimed[0].message.purpose, settings.uncertain) is UncertainPolicy.HOLD


def groups_of(claimed: Iterable[Claimed], settings: ServerSettings) -> list[Group]:
    """Claimed deliveries as transactions: recipients of one message together, as many as the server takes at once."""
    wanted = 1 if is_per_recipient(settings) else settings.limits.recipients_per_message or RECIPIENTS_PER_TRANSACTION
    most = min(wanted, RECIPIENTS_PER_TRANSACTION)
    groups = []
    for _, members in groupby(claimed, key=lambda c: c.message.id):
        same = tuple(members)
        groups += [Group(same[i:i + most]) for i in range(0, len(same), most)]
    return groups


@dataclass(slots=True, eq=False)
class GroupShipment(Shipment):
    """A group on its way."""

    group: Group = field(kw_only=True)


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
    """A session and how it began. `given` counts the transactions that were begun over it."""

    session: Session
    opening: tuple[Event, ...]
    key: str
    given: int = 0

    def is_for(self, server: Outgoing) -> bool:
        """Whether the server's settings are still those that the session was opened with."""
        return self.key == server.key

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
        return OpenSession(session, tuple(recorder.trace.events), server.key)

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

    def shipment(self, server: Outgoing, group: Group, mark: Callable[[], Awaitable[None]] | None) -> GroupShipment:
        """A group ready to leave; `mark` as in `Shipment`. Raises DamagedBlob."""
        message = group.claimed[0].message
        if message.content is None:
            raise DamagedBlob("the stored content is gone or can't be read")
        content = self._contents.streamed(message.content, message.content_digest, message.content_size)
        return GroupShipment(group.envelope(server.settings), Canonical(content), mark, group.careful, group=group)

    async def mark(self, groups: Iterable[Group]) -> set[str]:
        """Commit that the content of these may leave from now on (U10); the attempts, by id, for which it may.
        Raises StorageBusy, StorageUnknown."""
        leases = [claimed.lease for group in groups for claimed in group.claimed]
        marked = await self._queue.mark_transacting(leases)
        return {lease.attempt_id for lease, is_marked in zip(leases, marked, strict=True) if is_marked}

    async def carry(self, opened: OpenSession, cargo: Cargo, manners: Manners) -> None:
        """Transactions one after the other, as long as the cargo has some and the session lives; nothing is settled."""
        await opened.session.carry(cargo, manners)

    async def settle(self, server: Outgoing, carried: "Sequence[Carried]", standings: Standings) -> None:
        """Store what transactions came to; `standings` as in `Settler.settle_transactions`."""
        transacted = [each.transacted(server.settings) for each in carried]
        await self._settler.settle_transactions(server.name, transacted, standings=standings)

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

    def log_manners(self, server: Outgoing, manners: Manners) -> None:
        """A line that the server does not bear what it offers, and what it gets in its place."""
        title = f"{server.name.name} does not bear all that it offers: {PLAINER[manners.pipelining, manners.chunking]}"
        note(self._log, _server_entry(server, "plainer", "warning") | {"title": title, "reply": manners.reason})

    def log_slowed(self, server: Outgoing, reply: str) -> None:
        """A line that the server asked to be given less, and gets less from now on."""
        title = f"{server.name.name} asked to be given less: fewer sessions and a lower rate for a while"
        note(self._log, _server_entry(server, "slowed", "warning") | {"title": title, "reply": reply})

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
    """What one transaction came to, recipient by recipient. `opening` tells how its session began, `notes` what was
    said since; `wait_s` as in `Transacted`."""

    group: Group
    results: Sequence[RecipientResult]
    opening: tuple[Event, ...]
    notes: Notes
    seconds: float
    wait_s: float | None = None

    @classmethod
    def of(cls, group: Group, ended: Ended, opened: OpenSession) -> Self:
        return cls(group, ended.results, opened.opening, ended.notes, ended.seconds)

    @property
    def all_sent(self) -> bool:
        return all(result.outcome is Outcome.SENT for result in self.results)

    def transacted(self, settings: ServerSettings) -> Transacted:
        def explained(result: RecipientResult) -> Finding:
            return finding_of_delivery(self._events(), settings, result)

        pairs = tuple(zip(self.group.claimed, self.results, strict=True))
        return Transacted(pairs, explained, self.seconds, self.wait_s)

    def server_fault(self, settings: ServerSettings) -> ServerFault | None:
        """The fault of the server as a whole that this transaction showed, such as a missing sign-in."""
        for result in self.results:
            if is_server_fault(result):
                finding = finding_of_delivery(self._events(), settings, result)
                return ServerFault(result.stage, result.reply, result.reason, finding, is_about_sign_in(result))
        return None

    def _events(self) -> tuple[Event, ...]:
        return (*self.opening, *self.notes.events())


def too_large(group: Group, settings: ServerSettings) -> Carried | None:
    """The end of a group that is larger than the server's own limit in its settings; None where it is not."""
    size_bytes, most_bytes = group.claimed[0].message.content_size, settings.limits.size_bytes
    if most_bytes is None or size_bytes <= most_bytes:
        return None
    text = f"the message has {size_bytes} bytes, this server's limit is {most_bytes}"
    results = [RecipientResult(c.recipient, Outcome.FAILED, Stage.SENDER, None, text) for c in group.claimed]
    return Carried(group, results, (OurRefusal(0.0, Stage.SENDER, "too-large", text),), Notes(), 0.0)
