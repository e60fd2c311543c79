"""A test: an ordinary delivery with a notebook, and after a failure a closer look that explains it.

The session and the transaction are those of deliveries (net/session). What comes after a failure carries no credential
and no mail. Nothing of the password is in a report: events are made without it, and what a server echoes is redacted.
"""

import uuid
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from postroom.diagnosis.also_tried import also_tried
from postroom.diagnosis.explain import finding_of_cause
from postroom.diagnosis.session_evidence import secret_facts
from postroom.message.compose import Composed
from postroom.message.draft import DraftProblem
from postroom.message.test_mail import Voice, compose_test_mail
from postroom.net.session import Deadlines, Recorder, Session, SessionFailed, open_session
from postroom.policy.egress import may_dial
from postroom.smtp.extensions import size_limit_of
from postroom.smtp.trace import Event, ExtensionsSeen, OurRefusal, StageEnded, StageStarted, TlsEnded
from postroom.smtp.transcript import transcript
from postroom.terms.address import AddressProblem, parse_address
from postroom.terms.envelope import Envelope, RecipientResult
from postroom.terms.finding import Finding
from postroom.terms.host_name import host_reading
from postroom.terms.limits import TEST_TIMEOUT_S
from postroom.terms.outcome import Outcome, Stage, TestStatus
from postroom.terms.server import ServerSettings

from ..delivery.closer_look import LOOK_S, CloserLook
from ..domains.dkim_signing import SigningKeys, signed
from .probe_stages import stages_of

_NO_KEYS: SigningKeys = {}

OnProgress = Callable[["ProbeReport"], None]


@dataclass(slots=True)
class ProbeReport:
    """What a test showed so far. `stages` and `facts` are of plain JSON values; `finding` is None unless it failed."""

    status: TestStatus = TestStatus.RUNNING
    stages: list[dict[str, Any]] = field(default_factory=list)
    finding: Finding | None = None
    transcript: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class MemoryContent:
    """Content that is in memory."""

    content: bytes = field(repr=False)

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def chunks(self) -> Iterator[bytes]:
        yield self.content


async def probe(
    settings: ServerSettings,
    password: str | None,
    *,
    send: bool,
    default_ehlo_name: str,
    on_progress: OnProgress | None = None,
    timeout_s: float = TEST_TIMEOUT_S,
    language: str = "en",
    ports: Container[int] = range(1, 65_536),
    voice: Voice | None = None,
    keys: SigningKeys = _NO_KEYS,
) -> ProbeReport:
    """Tests a server within `timeout_s`, with the test mail when `send`. `on_progress` sees a report as stages go.

    The finding is told in `language`, the test mail by `voice` and signed with `keys`, as any other. After a failure no
    port is looked at unless it is one of `ports`.
    """
    look = CloserLook(settings, ports, default_ehlo_name)
    return await _Probe(settings, password, send, look, on_progress, timeout_s, language, voice, keys).report()


class _Probe:
    """One test."""

    def __init__(
        self, settings: ServerSettings, password: str | None, send: bool, look: CloserLook,
        on_progress: OnProgress | None, timeout_s: float, language: str, voice: Voice | None, keys: SigningKeys,
    ) -> None:
        self._settings = settings
        self._password = password
        self._send = send
        self._look = look
        self._on_progress = on_progress
        self._timeout_s = timeout_s
        self._language = language
        self._voice = voice
        self._keys = keys
        self._mechanism: str | None = None
        self._recorder = Recorder(self._saw)

    async def report(self) -> ProbeReport:
        if self._host_is_malformed():
            return await self._failed(())
        try:
            mail = self._composed() if self._send else None
        except (AddressProblem, DraftProblem) as problem:
            return self._made(TestStatus.FAILED, self._address_finding(problem))
        try:
            results = await self._results(mail)
        except SessionFailed:
            return await self._failed(())
        except ValueError as error:
            self._refused(Stage.EHLO, "ehlo-name-invalid", str(error))
            finding = finding_of_cause("helo-name-invalid", quotes=(str(error),), language=self._language)
            return self._made(TestStatus.FAILED, finding)
        if all(result.outcome is Outcome.SENT for result in results):
            return self._made(TestStatus.PASSED, None)
        return await self._failed(results)

    def _saw(self, event: Event) -> None:
        if self._on_progress is not None and isinstance(event, StageStarted | StageEnded):
            self._on_progress(self._made(TestStatus.RUNNING, None))

    def _host_is_malformed(self) -> bool:
        """A host field that reads as more than a name is not dialed: what was meant is proposed instead."""
        reading = host_reading(self._settings.host)
        if reading.flaw in ("", "brackets"):
            return False
        self._refused(Stage.RESOLVE, "host-invalid", f"Host Name is not a bare host name: {self._settings.host!r}")
        return True

    def _refused(self, stage: Stage, reason: str, text: str) -> None:
        recorder = self._recorder
        recorder.stage_started(stage)
        recorder.add(OurRefusal(recorder.now_s(), stage, reason, text))
        recorder.stage_ended(stage, False, text)

    def _composed(self) -> Composed:
        domain = parse_address(self._settings.from_address).domain.strip("[]") or "postroom.invalid"
        message_id = f"<{uuid.uuid4().hex}@{domain.replace(':', '.')}>"
        now = datetime.now(UTC)
        mail = compose_test_mail(self._settings, message_id=message_id, date=now, voice=self._voice)
        return signed(mail, iter((mail.content,)), self._keys, now) if self._keys else mail

    def _address_finding(self, problem: Exception) -> Finding:
        try:
            parse_address(self._settings.from_address)
            slug, stage = "recipient-address-malformed", Stage.RECIPIENT
        except AddressProblem:
            slug, stage = "sender-address-malformed", Stage.SENDER
        self._refused(stage, "address-invalid", str(problem))
        settings = self._settings
        values = {"sender": settings.from_address, "recipient": settings.test_recipient, "Server": "Postroom"}
        return finding_of_cause(slug, values=values, quotes=(str(problem),), language=self._language)

    async def _results(self, mail: Composed | None) -> list[RecipientResult]:
        """The results of the test mail, none when nothing is sent. Raises SessionFailed."""
        session = await open_session(
            self._settings, self._password, self._recorder, Deadlines.for_test(max(1.0, self._timeout_s - LOOK_S)),
            default_ehlo_name=self._look.default_ehlo_name, allowed=may_dial,
        )
        self._mechanism = session.mechanism
        try:
            return await self._transacted(session, mail) if mail else []
        finally:
            await session.close()

    async def _transacted(self, session: Session, mail: Composed) -> list[RecipientResult]:
        reverse_path = self._settings.bounce_address or mail.from_address
        envelope = Envelope(
            reverse_path, mail.recipients, len(mail.content), mail.needs_8bit, mail.needs_smtputf8
        )
        return await session.transact(envelope, MemoryContent(mail.content))

    async def _failed(self, results: Sequence[RecipientResult]) -> ProbeReport:
        finding = await self._look.finding(
            self._recorder.trace.events, results, secret_facts=secret_facts(self._settings.username, self._password),
            left_s=max(0.5, self._timeout_s - self._recorder.now_s()), language=self._language,
        )
        return self._made(TestStatus.FAILED, finding)

    def _made(self, status: TestStatus, finding: Finding | None) -> ProbeReport:
        events = self._recorder.trace.events
        return ProbeReport(
            status=status,
            stages=stages_of(events, self._settings, send=self._send, over=status is not TestStatus.RUNNING),
            finding=finding,
            transcript=transcript(events),
            facts=self._facts(events),
            seconds=round(self._recorder.now_s(), 3),
        )

    def _facts(self, events: Sequence[Event]) -> dict[str, Any]:
        facts: dict[str, Any] = {"extensions": {}, "tls": None, "mechanism": self._mechanism, "size_limit": None}
        for event in events:
            if isinstance(event, ExtensionsSeen):
                facts["extensions"] = {key: list(values) for key, values in event.extensions.items()}
                facts["size_limit"] = size_limit_of(event.extensions)
            if isinstance(event, TlsEnded):
                facts["tls"] = _tls_facts(event)
        facts["also_tried"] = also_tried(self._look.seen, self._settings, events)
        return facts


def _tls_facts(event: TlsEnded) -> dict[str, Any]:
    facts: dict[str, Any] = {"version": event.version, "cipher": event.cipher, "verified": event.verified}
    if event.chain:
        leaf = event.chain[0]
        facts |= {
            "subject": leaf.subject, "issuer": leaf.issuer, "names": list(leaf.names), "key": leaf.key,
            "not_before": leaf.not_before.isoformat(), "not_after": leaf.not_after.isoformat(), "sha256": leaf.sha256,
        }
    return facts
