"""One mail transaction from the client's side (RFC 5321 section 3.3), without a socket.

Contract: `commands()` gives what to send next, a group at once where the server offers PIPELINING (RFC 2920), and what
is then awaited; `receive` takes the replies in order. When `wants_content` turns true the content is sent, `dotted()`
is called once its end is about to leave (the final dot, or BDAT LAST), and the last reply is received. With `chunked`
there is no DATA: content is due after RCPT (RFC 3030), and may leave, and be `dotted()`, together with the commands.
`lose` ends a transaction whose connection is gone. Then `results` holds one result per forward-path, in order. Nothing
a server replies raises.

What a reply means: its class decides, its scope is that of the command (RFC 5321 section 4.2.1): a refused MAIL, DATA
or final dot is everybody's who was not refused before, a refused RCPT is one forward-path's. 421 is the server's
farewell at any point. A reply of a class that is not due (`misplaced`) ends the session: nobody knows what the
server thinks. So does DATA granted after a refused MAIL: a dot would end another transaction than this.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from postroom.terms.envelope import Envelope, RecipientResult
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply

from . import command
from .extensions import size_limit_of

CLOSING = 421


class Transaction:
    """See the contract above. Raises ValueError at construction for an envelope that cannot be said in commands."""

    def __init__(
        self,
        envelope: Envelope,
        extensions: Mapping[str, tuple[str, ...]],
        *,
        grouped: bool | None = None,
        chunked: bool = False,
    ) -> None:
        self._paths = envelope.forward_paths
        self._decided: list[RecipientResult | None] = [None] * len(self._paths)
        self._accepted: list[int] = []
        self._awaited: deque[tuple[Stage, int]] = deque()
        is_grouped = "PIPELINING" in extensions if grouped is None else grouped
        self._to_send = _groups(envelope, extensions, is_grouped, chunked)
        self._sender_refused = False
        self.is_chunked = chunked
        self.replies = 0
        self.first_reply: Reply | None = None
        self.data_granted = False
        self.dot_sent = False
        self.needs_reset = False
        self.misplaced: Reply | None = None
        self.closing = False

    def commands(self) -> list[bytes]:
        """The next commands to send together; empty when it is time to listen, to send content, or over."""
        if not self._to_send or self._awaited or self.data_granted or self.is_over:
            return []
        if self._undecided_after_recipients():
            return []
        group = self._to_send.popleft()
        self._awaited.extend((stage, index) for stage, index, _ in group)
        return [line for _, _, line in group]

    def _undecided_after_recipients(self) -> bool:
        """True when going on is pointless: the sender is refused, or every forward-path is."""
        at_data = self._to_send[0][0][0] is Stage.MESSAGE
        return self._sender_refused or (at_data and not self._accepted)

    @property
    def due(self) -> int:
        """How many replies are due."""
        return len(self._awaited)

    @property
    def was_never_begun(self) -> bool:
        """True when the server has said nothing to it, or only good-bye, and no content can have been taken."""
        farewell = self.first_reply is not None and self.first_reply.code == CLOSING
        return farewell or (self.replies == 0 and not self.dot_sent)

    @property
    def awaited(self) -> Stage | None:
        """Stage of the next reply that is due."""
        return self._awaited[0][0] if self._awaited else None

    @property
    def refusal(self) -> Reply | None:
        """The first reply that refused something."""
        return next((r.reply for r in self._decided if r and r.reply and r.outcome is not Outcome.SENT), None)

    @property
    def is_over(self) -> bool:
        return self.closing or self.misplaced is not None

    @property
    def wants_content(self) -> bool:
        """The server waits for content, and somebody is to get it."""
        if self.dot_sent or not self._accepted or self.closing or self.misplaced is not None:
            return False
        return self.data_granted or (self.is_chunked and not self._awaited and not self._to_send)

    @property
    def wants_lone_dot(self) -> bool:
        """The server waits for content that nobody is to get: RFC 2920 section 3.1 asks for an empty one."""
        return self.data_granted and not self.dot_sent and not self._accepted and not self.is_over

    def dotted(self) -> None:
        """The final dot is about to leave: from here on a lost connection is uncertain."""
        self.dot_sent = True
        self._awaited.append((Stage.MESSAGE, -1))

    def chunk_sent(self) -> None:
        """A chunk that is not the last one has left (RFC 3030): its reply is due."""
        self._awaited.append((Stage.MESSAGE, -1))

    def receive(self, reply: Reply) -> None:
        if self.replies == 0:
            self.first_reply = reply
        self.replies += 1
        stage, index = self._awaited.popleft()
        if stage is Stage.SENDER:
            self._receive_sender(reply)
        elif stage is Stage.RECIPIENT:
            self._receive_recipient(reply, index)
        elif self.dot_sent:
            self._receive_final(reply)
        elif self.is_chunked:
            self._receive_chunk(reply)
        else:
            self._receive_data(reply)
        if reply.code == CLOSING:
            self.closing = True
            self._decide_rest(Outcome.DEFERRED, stage, reply, "")

    def receive_envelope(self, replies: Sequence[Reply]) -> bool:
        """Takes the replies to a whole envelope at once where each is the one that is hoped for; whether it did."""
        if self.replies or self.dot_sent or len(replies) != len(self._awaited):
            return False
        for (stage, _), reply in zip(self._awaited, replies, strict=True):
            if reply.code // 100 != (3 if stage is Stage.MESSAGE else 2):
                return False
        self._awaited.clear()
        self._accepted.extend(range(len(self._paths)))
        self.first_reply, self.replies = replies[0], len(replies)
        self.needs_reset, self.data_granted = True, not self.is_chunked
        return True

    def refuse_early(self, reply: Reply) -> None:
        """The server spoke while content was on its way, before the final dot: nothing was taken."""
        if reply.is_transient or reply.is_permanent:
            self._decide_rest(_refusal(reply), Stage.MESSAGE, reply, "")
        self.lose(Stage.MESSAGE, "the server replied before the content was complete", reply)

    def lose(self, stage: Stage, reason: str, reply: Reply | None = None) -> None:
        """The connection is gone or useless: uncertain after the final dot, deferred before it."""
        uncertain = self.dot_sent and (bool(self._accepted) or self.awaited in (Stage.SENDER, Stage.RECIPIENT))
        self._decide_rest(Outcome.UNCERTAIN if uncertain else Outcome.DEFERRED, stage, reply, reason)
        self.closing = True

    def results(self) -> list[RecipientResult]:
        """One result per forward-path. Forward-paths that nothing was said about are deferred."""
        if None in self._decided:
            self._decide_rest(Outcome.DEFERRED, Stage.MESSAGE, None, "the transaction did not come to an end")
        return [result for result in self._decided if result is not None]

    def _receive_sender(self, reply: Reply) -> None:
        if reply.is_positive:
            self.needs_reset = True
        elif reply.is_intermediate:
            self._misplace(reply, Stage.SENDER)
        else:
            self._sender_refused = True
            self._decide_rest(_refusal(reply), Stage.SENDER, reply, "")

    def _receive_recipient(self, reply: Reply, index: int) -> None:
        if self._sender_refused:
            return
        if reply.is_positive:
            self._accepted.append(index)
        elif reply.is_intermediate:
            self._misplace(reply, Stage.RECIPIENT)
        elif self._accepted and _says_too_many(reply):
            self._decide(index, Outcome.DEFERRED, Stage.RECIPIENT, reply, "")
        else:
            self._decide(index, _refusal(reply), Stage.RECIPIENT, reply, "")

    def _receive_data(self, reply: Reply) -> None:
        if reply.is_intermediate and not self._sender_refused:
            self.data_granted = True
        elif reply.is_intermediate or reply.is_positive:
            self._misplace(reply, Stage.MESSAGE)
        else:
            self._decide_rest(_refusal(reply), Stage.MESSAGE, reply, "")

    def _receive_chunk(self, reply: Reply) -> None:
        if reply.is_intermediate:
            self._misplace(reply, Stage.MESSAGE)
        elif not reply.is_positive:
            self._decide_rest(_refusal(reply), Stage.MESSAGE, reply, "")
            self._accepted.clear()

    def _receive_final(self, reply: Reply) -> None:
        # RFC 3030 section 2 leaves open what a server thinks of the transaction after a refused chunk. After a refused
        # final dot it is over (RFC 5321 section 4.1.1.4), but Postfix keeps it where a check at its end refused it.
        self.needs_reset = not reply.is_positive and not self._sender_refused
        if reply.is_positive:
            self._decide_rest(Outcome.SENT, Stage.MESSAGE, reply, "")
        elif reply.is_intermediate:
            self._misplace(reply, Stage.MESSAGE)
        else:
            self._decide_rest(_refusal(reply), Stage.MESSAGE, reply, "")

    def _misplace(self, reply: Reply, stage: Stage) -> None:
        self.misplaced = reply
        self.lose(stage, f"a {reply.code} reply is not due here", reply)

    def _decide(self, index: int, outcome: Outcome, stage: Stage, reply: Reply | None, reason: str) -> None:
        if self._decided[index] is None:
            self._decided[index] = RecipientResult(self._paths[index], outcome, stage, reply, reason)

    def _decide_rest(self, outcome: Outcome, stage: Stage, reply: Reply | None, reason: str) -> None:
        for index, path in enumerate(self._paths):
            if self._decided[index] is None:
                self._decided[index] = RecipientResult(path, outcome, stage, reply, reason)


def _refusal(reply: Reply) -> Outcome:
    return Outcome.FAILED if reply.is_permanent else Outcome.DEFERRED


def _says_too_many(reply: Reply) -> bool:
    """RFC 5321 section 4.5.3.1.10: 552 for one recipient too many counts as 452; it may pass after the others."""
    return reply.code == 552 and (reply.enhanced == "5.5.3" or "too many recipients" in reply.text.lower())


def _groups(
    envelope: Envelope, extensions: Mapping[str, tuple[str, ...]], grouped: bool, chunked: bool
) -> "deque[list[tuple[Stage, int, bytes]]]":
    """The commands of a transaction, in the groups that may be sent together."""
    if not envelope.forward_paths:
        raise ValueError("an envelope needs a forward-path")
    parameters = []
    if "SIZE" in extensions:
        parameters.append(f"SIZE={envelope.size_bytes}")
    if envelope.needs_8bit:
        parameters.append("BODY=8BITMIME")
    if needs_smtputf8(envelope):
        parameters.append("SMTPUTF8")
    steps = [(Stage.SENDER, -1, command.mail(envelope.reverse_path, parameters))]
    for index, path in enumerate(envelope.forward_paths):
        steps.append((Stage.RECIPIENT, index, command.rcpt(path)))
    if not chunked:
        steps.append((Stage.MESSAGE, -1, command.DATA))
    return deque([steps] if grouped else [[step] for step in steps])


def lacking_extension(envelope: Envelope, extensions: Mapping[str, tuple[str, ...]]) -> tuple[str, str] | None:
    """Why the server cannot take this envelope, as (refusal reason, sentence); None when it can (P9)."""
    limit = size_limit_of(extensions)
    if limit is not None and envelope.size_bytes > limit:
        return "too-large", f"the message is {envelope.size_bytes} bytes, the server takes at most {limit}"
    if needs_smtputf8(envelope) and "SMTPUTF8" not in extensions:
        return "needs-smtputf8", "the message needs SMTPUTF8, which the server does not offer"
    if envelope.needs_8bit and "8BITMIME" not in extensions:
        return "needs-8bitmime", "the message needs 8BITMIME, which the server does not offer"
    return None


def needs_smtputf8(envelope: Envelope) -> bool:
    """True when an address or the content asks for RFC 6531."""
    said = "".join((envelope.reverse_path, *envelope.forward_paths))
    return envelope.needs_smtputf8 or not said.isascii()
