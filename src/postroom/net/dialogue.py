"""Commands and replies over one connection, each written down and each with its deadline."""

from postroom.smtp import command
from postroom.smtp.redaction import Redaction
from postroom.smtp.trace import CommandSent, Note, OurRefusal, PeerFault, ReplyReceived
from postroom.terms.outcome import Stage
from postroom.terms.reply import Reply

from .connection import Connection
from .deadlines import Clock
from .failure import SessionFailed, WireFault
from .recorder import Recorder

_KNOWN_REPLIES = 64
FAREWELL = "the server closed the session"


class Dialogue:
    """What is said on a connection. Replies it returns are redacted; `raw` is the last one as it came.

    Methods raise WireFault, after the fault has been written down; the connection is of no use then.
    """

    def __init__(self, connection: Connection, recorder: Recorder, clock: Clock, redaction: Redaction) -> None:
        self.connection = connection
        self.recorder = recorder
        self.clock = clock
        self.redaction = redaction
        self.raw: Reply | None = None
        self._shown: dict[Reply, Reply] = {}

    async def hear(self, stage: Stage, timeout_s: float, since_s: float | None = None) -> Reply:
        """The next reply, within `timeout_s` from now."""
        began_s = self.recorder.now_s() if since_s is None else since_s
        allowed_s = self.clock.left_s(timeout_s)
        try:
            reply = await self.connection.reply(self.clock.ends_at(timeout_s))
        except TimeoutError:
            octets = self.connection.pending_octets
            fault = WireFault("timeout", f"no reply within {round(allowed_s, 1):g} s", octets)
            raise self.broken(stage, fault) from None
        except WireFault as fault:
            raise self.broken(stage, fault) from None
        return self.noted(reply, stage, began_s)

    def noted(self, reply: Reply, stage: Stage, began_s: float | None = None) -> Reply:
        """Writes a reply down and gives it back redacted."""
        self.raw, shown = reply, self.shown(reply)
        now_s = self.recorder.now_s()
        waited_s = 0.0 if began_s is None else now_s - began_s
        self.recorder.add(ReplyReceived(now_s, shown, stage, waited_s))
        return shown

    def shown(self, reply: Reply) -> Reply:
        """The reply redacted. A server says the same few over and over, and looking for a password in them is dear."""
        if not self.redaction.hides:
            return reply
        shown = self._shown.get(reply)
        if shown is None:
            if len(self._shown) >= _KNOWN_REPLIES:
                self._shown.clear()
            shown = self._shown[reply] = self.redaction.reply(reply)
        return shown

    def broken(self, stage: Stage, fault: WireFault) -> WireFault:
        """Writes the fault down and gives it back."""
        event = self.peer_fault(stage, fault)
        self.recorder.add(event)
        return WireFault(fault.kind, event.text, event.octets)

    def unrest(self) -> WireFault | Reply | None:
        """What came although nobody asked: the server's farewell, or a fault; None where all is quiet (P5)."""
        if self.connection.is_quiet:
            return None
        unasked = self.connection.unasked()
        if unasked is not None:
            if unasked.code == 421:
                return unasked
            return WireFault("unsolicited", f"a reply that nobody asked for: {unasked}"[:500])
        if not self.connection.is_open:
            return WireFault("closed", "connection closed")
        return WireFault("unsolicited", "octets that nobody asked for", self.connection.pending_octets)

    def check_quiet(self, stage: Stage) -> None:
        """Before a command: nothing may have come that nobody asked for. A farewell raises SessionFailed."""
        unrest = self.unrest()
        if isinstance(unrest, WireFault):
            raise self.broken(stage, unrest)
        if unrest is not None:
            raise SessionFailed(stage, self.noted(unrest, stage), FAREWELL)

    def peer_fault(self, stage: Stage, fault: WireFault) -> PeerFault:
        """The fault as an event, redacted."""
        text, octets = self.redaction.text(fault.text), self.redaction.octets(fault.octets)
        return PeerFault(self.recorder.now_s(), stage, fault.kind, text, octets)

    def say(self, octets: bytes, label: str | None = None) -> None:
        """Sends a command line; the trace gets `label` in its place when one is given."""
        self.recorder.add(CommandSent(self.recorder.now_s(), command.shown(octets) if label is None else label))
        self.connection.send(octets, 1)

    async def ask(self, octets: bytes, stage: Stage, timeout_s: float, label: str | None = None) -> Reply:
        """One command and its reply."""
        self.check_quiet(stage)
        self.say(octets, label)
        return await self.hear(stage, timeout_s)

    async def aside(self, octets: bytes, stage: Stage, timeout_s: float) -> Reply | None:
        """A command such as RSET or QUIT, whose failure tells nothing about the message before it: None, and a note."""
        if not self.connection.is_quiet:
            return None
        self.say(octets)
        try:
            reply = await self.connection.reply(self.clock.ends_at(timeout_s))
        except (TimeoutError, WireFault) as fault:
            text = fault.text if isinstance(fault, WireFault) else "no reply in time"
            self.recorder.add(Note(self.recorder.now_s(), f"{command.shown(octets)} was not answered: {text}"))
            return None
        return self.noted(reply, stage)

    def refused(self, stage: Stage, reason: str, text: str) -> SessionFailed:
        """Writes down why we stop, and gives the failure to raise."""
        self.recorder.add(OurRefusal(self.recorder.now_s(), stage, reason, text))
        return SessionFailed(stage, None, text)
