"""Sessions: the one way by which mail leaves, for tests and deliveries alike.

`open_session` resolves, connects, greets, secures and authenticates; `Session.carry` takes one message after the other,
`transact` a single one. Everything that happens is in the recorder's trace; nothing in it is secret.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping

from postroom.policy.manners import Manners
from postroom.smtp import command
from postroom.smtp.content import Content
from postroom.smtp.redaction import Redaction
from postroom.smtp.text import printable
from postroom.smtp.trace import Note, OurRefusal
from postroom.terms.envelope import Envelope, RecipientResult
from postroom.terms.outcome import Stage
from postroom.terms.reply import Reply
from postroom.terms.server import Auth, Security, ServerSettings

from .cargo import Cargo, Ended, Shipment
from .carriage import Carriage
from .connection import Connection
from .deadlines import Clock, Deadlines
from .dial import dial
from .dialogue import Dialogue
from .failure import SessionFailed, WireFault
from .look import chain_after_failure
from .opening import Opening
from .recorder import Recorder
from .resolve import canonical_host, resolve

__all__ = ["Deadlines", "Recorder", "Session", "SessionFailed", "open_session"]

# No RFC figure: nobody waits long for a farewell, or for a second look at a chain that failed.
QUIT_TIMEOUT_S = 5.0
CHAIN_TIMEOUT_S = 10.0


class Session:
    """An SMTP session that may send. Used by one task at a time; `close` it in the end."""

    def __init__(self, dialogue: Dialogue, opening: Opening, deadlines: Deadlines) -> None:
        self._dialogue = dialogue
        self._deadlines = deadlines
        self._botched = False
        self._extensions = opening.extensions
        self.extensions: Mapping[str, tuple[str, ...]] = opening.shown_extensions
        self.mechanism: str | None = opening.mechanism
        self.carried = 0
        self._heard_s = dialogue.recorder.now_s()

    @property
    def is_usable(self) -> bool:
        """True when another transaction may begin: the connection stands, and nobody spoke out of turn (P5)."""
        return not self._botched and self._dialogue.connection.is_open and self._dialogue.connection.is_quiet

    async def carry(self, cargo: Cargo, manners: Manners, *, tells: bool = False) -> None:
        """One transaction after the other, until the cargo has no more (now) or the session is over. Nothing the peer
        does raises; what it shows of its manners is noted there. With `tells` the recorder is told all of it.

        What a shipment raises, and the cargo does not deal with, passes through after the connection is dropped without
        another final dot; so does cancellation.
        """
        carriage = Carriage(
            self._dialogue, self._deadlines, self._extensions, manners, cargo, is_fresh=self.carried == 0, tells=tells
        )
        carriage.heard_s = self._heard_s
        try:
            if not await carriage.run():
                self._end()
        except BaseException:
            self._end()
            raise
        finally:
            self.carried, self._heard_s = self.carried + carriage.carried, carriage.heard_s

    async def transact(
        self,
        envelope: Envelope,
        content: Content,
        *,
        before_final_dot: Callable[[], Awaitable[None]] | None = None,
        manners: Manners | None = None,
    ) -> list[RecipientResult]:
        """One transaction: a result per forward-path, in order. Nothing the peer does raises.

        `before_final_dot` is awaited when all content but its end is on its way: from its return on the outcome may be
        uncertain (U10).

        Raises ValueError before anything is sent for an envelope that cannot be said in commands (P3). What `content`
        raises passes through after the connection is dropped without a final dot; so does cancellation.
        """
        single = _Single(Shipment(envelope, content, before_final_dot))
        await self.carry(single, manners or Manners(), tells=True)
        if single.error is not None:
            raise single.error
        assert single.results is not None
        return single.results

    async def answer_to(self, reverse_path: str, forward_path: str) -> Reply | None:
        """The reply that decides a transaction of this envelope, which ends before DATA; None where none came.

        It carries nothing: RSET takes it back. Raises ValueError for an envelope that cannot be said in commands.
        """
        reply: Reply | None = None
        steps = ((command.mail(reverse_path), Stage.SENDER), (command.rcpt(forward_path), Stage.RECIPIENT))
        try:
            for line, stage in steps:
                with _stage(self._dialogue.recorder, stage):
                    reply = await self._dialogue.ask(line, stage, self._deadlines.command_s)
                    if not reply.is_positive:
                        raise SessionFailed(stage, reply, "refused")
        except SessionFailed as failed:
            reply = failed.reply
        if self.is_usable:
            await self._reset()
        return reply

    async def _reset(self) -> None:
        """RSET after a transaction that ended early; a session that refuses it is over, the results stay."""
        reply = await self._dialogue.aside(command.RSET, Stage.MESSAGE, self._deadlines.command_s)
        if reply is None or not reply.is_positive:
            self._end()

    def _end(self) -> None:
        self._botched = True
        self._dialogue.connection.abort()

    async def close(self) -> None:
        """QUIT, its reply within 5 s, and the end of the connection."""
        if self.is_usable:
            await self._dialogue.aside(command.QUIT, Stage.MESSAGE, QUIT_TIMEOUT_S)
        self._botched = True
        self._dialogue.connection.close()


class _Single:
    """One shipment, whose results are kept."""

    def __init__(self, shipment: Shipment) -> None:
        self._shipment: Shipment | None = shipment
        self.results: list[RecipientResult] | None = None
        self.error: Exception | None = None

    def next(self, *, overlapped: bool) -> Shipment | None:
        shipment, self._shipment = self._shipment, None
        return None if overlapped else shipment

    def ended(self, _: Shipment, ended: Ended) -> None:
        self.results = ended.results

    def put_back(self, _: Shipment, ended: Ended, *, careful: bool) -> None:  # noqa: ARG002  there is no next time
        self.results = ended.results

    def refused(self, _: Shipment, error: Exception) -> bool:
        self.error = error
        return True

    def left(self, _: Shipment) -> None:
        return


async def open_session(
    settings: ServerSettings,
    password: str | None,
    recorder: Recorder,
    deadlines: Deadlines,
    *,
    default_ehlo_name: str,
    allowed: Callable[[str], bool],
) -> Session:
    """A session that is ready to send. Raises SessionFailed; why is in the trace.

    `password` may be None only with `Auth.NONE`. `allowed` says whether an address may be dialed. Raises ValueError
    when the EHLO name is none.
    """
    ehlo_name = settings.ehlo_name or default_ehlo_name
    command.ehlo(ehlo_name)
    clock = Clock(deadlines)
    addresses = await _resolved(settings.host, recorder, clock, deadlines)
    connection, address = await _connected(addresses, settings.port, recorder, clock, deadlines, allowed)
    dialogue = Dialogue(connection, recorder, clock, Redaction(settings.username, password or ""))
    opening = Opening(dialogue, settings, deadlines, canonical_host(settings.host), ehlo_name)
    try:
        await _opened(opening, dialogue, settings, password, address)
    except BaseException:
        if connection.is_speaking:
            dialogue.say(command.QUIT)  # nobody waits for the answer
        connection.close()
        raise
    return Session(dialogue, opening, deadlines)


async def _resolved(host: str, recorder: Recorder, clock: Clock, deadlines: Deadlines) -> tuple[str, ...]:
    recorder.stage_started(Stage.RESOLVE)
    found = await resolve(host, recorder, clock.left_s(deadlines.connect_s))
    if found.error:
        if found.error == "invalid":
            recorder.add(OurRefusal(recorder.now_s(), Stage.RESOLVE, "host-invalid", found.error_text))
        recorder.stage_ended(Stage.RESOLVE, False, found.error_text)
        raise SessionFailed(Stage.RESOLVE, None, found.error_text)
    recorder.stage_ended(Stage.RESOLVE, True, ", ".join(found.addresses))
    return found.addresses


async def _connected(
    addresses: tuple[str, ...],
    port: int,
    recorder: Recorder,
    clock: Clock,
    deadlines: Deadlines,
    allowed: Callable[[str], bool],
) -> tuple[Connection, str]:
    recorder.stage_started(Stage.CONNECT)
    made = await dial(addresses, port, recorder, timeout_s=clock.left_s(deadlines.connect_s), allowed=allowed)
    if made is None:
        text = "no address could be reached"
        recorder.stage_ended(Stage.CONNECT, False, text)
        raise SessionFailed(Stage.CONNECT, None, text)
    recorder.stage_ended(Stage.CONNECT, True, f"{made[1]} port {port}")
    return made


async def _opened(
    opening: Opening, dialogue: Dialogue, settings: ServerSettings, password: str | None, address: str
) -> None:
    recorder = dialogue.recorder
    if settings.security is Security.TLS:
        await _secured(opening, dialogue, settings, address)
    with _stage(recorder, Stage.GREETING):
        await opening.greeting()
    with _stage(recorder, Stage.EHLO):
        await opening.hello()
    if settings.security is Security.STARTTLS:
        await _secured(opening, dialogue, settings, address)
        try:
            await opening.hello()
        except WireFault as fault:
            recorder.stage_ended(Stage.EHLO, False, fault.text)
            raise SessionFailed(Stage.EHLO, None, fault.text) from None
        except SessionFailed as failed:
            recorder.stage_ended(Stage.EHLO, False, _detail(failed))
            raise
    if settings.auth is Auth.PASSWORD:
        with _stage(recorder, Stage.AUTHENTICATE):
            await opening.authenticate(password or "", address)


async def _secured(opening: Opening, dialogue: Dialogue, settings: ServerSettings, address: str) -> None:
    """STARTTLS or the implicit handshake, then what became of the certificate."""
    recorder = dialogue.recorder
    recorder.stage_started(Stage.STARTTLS)
    try:
        if settings.security is Security.STARTTLS:
            await opening.request_tls()
    except (WireFault, SessionFailed) as error:
        failed = error if isinstance(error, SessionFailed) else SessionFailed(Stage.STARTTLS, None, error.text)
        recorder.stage_ended(Stage.STARTTLS, False, _detail(failed))
        raise failed from None
    ended = await opening.handshake()
    if ended.error == "certificate":
        dialogue.connection.close()
        left_s = dialogue.clock.left_s(CHAIN_TIMEOUT_S)
        ended = await chain_after_failure(ended, address, settings, left_s, opening.ehlo_name)
        text = "a second connection looked at the certificates; it carried no password and no mail"
        recorder.add(Note(recorder.now_s(), text))
    recorder.add(ended)
    if ended.error and ended.error != "certificate":
        text = ended.error_text or ended.error
        recorder.stage_ended(Stage.STARTTLS, False, text)
        raise SessionFailed(Stage.STARTTLS, None, text)
    shaken = f"{ended.version}, {ended.cipher}" if ended.version else ""
    recorder.stage_ended(Stage.STARTTLS, True, shaken)
    recorder.stage_started(Stage.CERTIFICATE)
    if ended.error:
        recorder.stage_ended(Stage.CERTIFICATE, False, ended.verify_text)
        raise SessionFailed(Stage.CERTIFICATE, None, ended.verify_text)
    recorder.stage_ended(Stage.CERTIFICATE, True, "verified" if ended.verified else "not checked")


def _detail(failed: SessionFailed) -> str:
    """What a failed stage shows: the server's words, else our reason."""
    return failed.reason if failed.reply is None else printable(str(failed.reply), 200)


@contextlib.contextmanager
def _stage(recorder: Recorder, stage: Stage) -> Iterator[None]:
    """Notes begin and end of a stage, and gives every failure its stage."""
    recorder.stage_started(stage)
    try:
        yield
    except WireFault as fault:
        recorder.stage_ended(stage, False, fault.text)
        raise SessionFailed(stage, None, fault.text) from None
    except SessionFailed as failed:
        recorder.stage_ended(stage, False, _detail(failed))
        raise
    recorder.stage_ended(stage, True)
