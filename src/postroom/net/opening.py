"""From a connection to a session that may send: greeting, EHLO, TLS, AUTH (RFC 5321, 3207, 4954, 8314)."""

import asyncio
import base64
import binascii
import contextlib
import ipaddress
import secrets
import ssl
from dataclasses import replace

from postroom.smtp import command
from postroom.smtp.extensions import extensions_of, mechanisms_of
from postroom.smtp.sasl import AuthFault, Exchange, chosen_mechanism, exchange
from postroom.smtp.trace import ExtensionsSeen, Note, TlsEnded
from postroom.terms.outcome import Stage
from postroom.terms.reply import Reply
from postroom.terms.server import Security, ServerSettings

from .deadlines import Deadlines
from .dialogue import Dialogue
from .failure import SessionFailed, WireFault
from .tls import unverifying_context, verifying_context

# RFC 5321 section 4.1.1.1: a server that does not know EHLO says 500 or 502; any other refusal is meant.
_EHLO_UNKNOWN = (500, 502)
_AUTH_ROUNDS = 8
_GREETING, _TLS_READY, _AUTHENTICATED, _CHALLENGE = 220, 220, 235, 334


class Opening:
    """The steps up to a usable session. Each raises SessionFailed or WireFault; all of them are in the trace."""

    def __init__(
        self, dialogue: Dialogue, settings: ServerSettings, deadlines: Deadlines, server_name: str, ehlo_name: str
    ) -> None:
        self._dialogue = dialogue
        self._settings = settings
        self._deadlines = deadlines
        self._server_name = server_name
        self.ehlo_name = ehlo_name
        self.extensions: dict[str, tuple[str, ...]] = {}
        self.shown_extensions: dict[str, tuple[str, ...]] = {}  # without what a server echoes of the password
        self.tls: TlsEnded | None = None
        self.mechanism: str | None = None

    async def greeting(self) -> None:
        if self.tls is None:
            self._dialogue.connection.listen()
        reply = await self._dialogue.hear(Stage.GREETING, self._deadlines.greeting_s)
        if reply.code == _GREETING:
            return
        if reply.is_positive or reply.is_intermediate:
            fault = WireFault("malformed", f"a greeting begins with 220, not {reply.code}")
            raise self._dialogue.broken(Stage.GREETING, fault)
        raise SessionFailed(Stage.GREETING, reply, "the server refused the connection")

    async def hello(self) -> None:
        """EHLO, or HELO where EHLO is unknown; what was offered before is forgotten."""
        dialogue, timeout_s = self._dialogue, self._deadlines.command_s
        self.extensions, self.shown_extensions = {}, {}
        reply = await dialogue.ask(command.ehlo(self.ehlo_name), Stage.EHLO, timeout_s)
        if reply.is_positive:
            self.extensions, self.shown_extensions = extensions_of(dialogue.raw or reply), extensions_of(reply)
        elif reply.code in _EHLO_UNKNOWN:
            reply = await dialogue.ask(command.ehlo(self.ehlo_name, "HELO"), Stage.EHLO, timeout_s)
        if not reply.is_positive:
            raise SessionFailed(Stage.EHLO, reply, "the server refused our name")
        seen, over_tls = dict(self.shown_extensions), self.tls is not None
        dialogue.recorder.add(ExtensionsSeen(dialogue.recorder.now_s(), seen, over_tls, mechanisms_of(seen)))

    async def request_tls(self) -> None:
        """STARTTLS up to the point where the handshake may begin. It never goes on without (T1)."""
        dialogue = self._dialogue
        if "STARTTLS" not in self.extensions:
            raise dialogue.refused(Stage.STARTTLS, "starttls-not-offered", "the server does not offer STARTTLS")
        reply = await dialogue.ask(command.STARTTLS, Stage.STARTTLS, self._deadlines.command_s)
        if reply.code != _TLS_READY and (reply.is_positive or reply.is_intermediate):
            fault = WireFault("malformed", f"a {reply.code} reply is not due to STARTTLS (RFC 3207)")
            raise dialogue.broken(Stage.STARTTLS, fault)
        if reply.code != _TLS_READY:
            raise SessionFailed(Stage.STARTTLS, reply, "the server refused STARTTLS")
        await asyncio.sleep(0)
        if not dialogue.connection.is_quiet and dialogue.connection.is_open:
            unasked = dialogue.connection.unasked()
            octets = str(unasked).encode() if unasked else dialogue.connection.pending_octets
            fault = WireFault("injection", "octets came in clear after the reply to STARTTLS (RFC 3207)", octets)
            raise dialogue.broken(Stage.STARTTLS, fault)

    async def handshake(self) -> TlsEnded:
        """The TLS handshake with verification as set; the event is not yet in the trace."""
        connection, clock = self._dialogue.connection, self._dialogue.clock
        try:
            verify = self._settings.verify_certificate
            context = verifying_context(self._settings.ca_pem) if verify else unverifying_context()
        except (ssl.SSLError, ValueError) as error:
            text = f"the CA certificates of this server's settings cannot be read: {error}"
            return TlsEnded(0, error="other", error_text=text, server_name=self._server_name)
        ended = await connection.start_tls(context, self._server_name, 0, clock.ends_at(self._deadlines.tls_s))
        if not ended.error:
            self.tls = ended
            if self._settings.security is Security.TLS:
                connection.expect_greeting()
        return replace(ended, at_s=self._dialogue.recorder.now_s())

    async def authenticate(self, password: str, peer_address: str) -> None:
        """AUTH with the best mechanism that is safe here; the next one only where 504 says that the server lacks it."""
        offered = list(mechanisms_of(self.extensions))
        if "AUTH" not in self.extensions:
            text = "a user name is set, but the server does not offer AUTH"
            raise self._dialogue.refused(Stage.AUTHENTICATE, "auth-not-offered", text)
        over_tls = self.tls is not None
        plain_allowed = self._settings.allow_plain_auth or ipaddress.ip_address(peer_address).is_loopback
        while True:
            mechanism = chosen_mechanism(offered, over_tls=over_tls, plain_allowed=plain_allowed)
            if mechanism is None:
                raise self._no_mechanism(offered, over_tls)
            reply = await self._authenticate_with(mechanism, password)
            if reply.code == _AUTHENTICATED:
                self.mechanism = mechanism
                return
            if reply.code != 504:
                raise SessionFailed(Stage.AUTHENTICATE, reply, "the server refused the login")
            offered = [name for name in offered if name != mechanism]
            if chosen_mechanism(offered, over_tls=over_tls, plain_allowed=plain_allowed) is None:
                raise SessionFailed(Stage.AUTHENTICATE, reply, "the server refused the mechanism")

    def _no_mechanism(self, offered: list[str], over_tls: bool) -> SessionFailed:
        if not over_tls and chosen_mechanism(offered, over_tls=False, plain_allowed=True):
            text = "the server only offers to take the password in clear, and the connection is not encrypted"
            return self._dialogue.refused(Stage.AUTHENTICATE, "auth-needs-tls", text)
        names = ", ".join(offered) or "none"
        text = f"no mechanism in common: the server offers {names}"
        return self._dialogue.refused(Stage.AUTHENTICATE, "no-mechanism", self._dialogue.redaction.text(text))

    async def _authenticate_with(self, mechanism: str, password: str) -> Reply:
        """The last reply of one exchange."""
        dialogue, timeout_s = self._dialogue, self._deadlines.command_s
        try:
            steps = exchange(mechanism, self._settings.username, password, secrets.token_urlsafe(24))
        except ValueError as error:
            dialogue.recorder.add(Note(dialogue.recorder.now_s(), str(error)))
            raise SessionFailed(Stage.AUTHENTICATE, None, str(error)) from None
        initial = steps.initial()
        encoded = None if initial is None else base64.b64encode(initial).decode("ascii")
        label = f"AUTH {mechanism}" if initial is None else f"AUTH {mechanism} {steps.label}"
        reply = await dialogue.ask(command.auth(mechanism, encoded), Stage.AUTHENTICATE, timeout_s, label)
        for _ in range(_AUTH_ROUNDS):
            if reply.code != _CHALLENGE:
                return self._concluded(steps, reply)
            try:
                answer = await asyncio.to_thread(steps.answer, self._challenge())
            except AuthFault as fault:
                raise await self._cancelled(str(fault)) from None
            line = command.auth_answer(base64.b64encode(answer).decode("ascii"))
            reply = await dialogue.ask(line, Stage.AUTHENTICATE, timeout_s, steps.label if answer else "")
        raise await self._cancelled("the server asks without end")

    def _challenge(self) -> bytes:
        raw = self._dialogue.raw
        text = raw.lines[-1].strip() if raw else ""
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise AuthFault("the server's challenge is not base64") from None

    def _concluded(self, steps: Exchange, reply: Reply) -> Reply:
        if reply.is_intermediate or (reply.is_positive and reply.code != _AUTHENTICATED):
            fault = WireFault("malformed", f"a {reply.code} reply is not due in AUTH")
            raise self._dialogue.broken(Stage.AUTHENTICATE, fault)
        if reply.code == _AUTHENTICATED:
            try:
                steps.check_success()
            except AuthFault as fault:
                raise self._dialogue.broken(Stage.AUTHENTICATE, WireFault("malformed", str(fault))) from None
        return reply

    async def _cancelled(self, text: str) -> WireFault:
        """Ends an exchange the server broke (RFC 4954 section 4): "*", its reply, and the session is over."""
        with contextlib.suppress(WireFault, SessionFailed):  # the fault that counts is the first one
            await self._dialogue.ask(command.CANCEL, Stage.AUTHENTICATE, self._deadlines.command_s)
        return self._dialogue.broken(Stage.AUTHENTICATE, WireFault("malformed", text))
