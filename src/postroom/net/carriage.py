"""A run of transactions over one session, one round trip each where the server bears it (RFC 2920 section 3.1).

With PIPELINING the next envelope leaves in the write that ends the content before it; with CHUNKING (RFC 3030) a small
content leaves together with its own envelope where a run begins. At most two transactions are under way: one
whose content has left wholly, and one that is an envelope as yet, so that a lost connection makes one of them uncertain
at most. Replies belong to commands in their order; each transaction gets its own results (U6).

When the connection is lost, or the server says good-bye (P8) or something that nobody asked for (P5), a transaction
whose end has left is uncertain, one that the server had taken up is deferred, and one that it never took up is put
back. A server that does not bear what it offers is noticed (policy/manners); what was affected is put back, too. So is
an envelope that a server refused for the transaction before it, which it kept open although it refused its content.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Never

from postroom.policy.manners import Manners, Pipelining
from postroom.smtp import command
from postroom.smtp.client import CLOSING, Transaction, lacking_extension
from postroom.smtp.content import FINAL_DOT, Canonical, Content, ContentFraming, is_canonical, whole_content
from postroom.smtp.notes import Notes
from postroom.smtp.trace import OurRefusal
from postroom.terms.envelope import RecipientResult
from postroom.terms.limits import UNPROVEN_PIPELINING_TIMEOUT_S
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply

from .cargo import Cargo, Ended, Shipment
from .deadlines import Deadlines
from .dialogue import FAREWELL, Dialogue
from .failure import SessionFailed, WireFault
from .flight import Distrusted, Farewell, Flight
from .landing import Landing
from .trust import check_content_reply, check_order, note_kept

# A larger chunk would hold up everything else that runs in this process while it is framed and encrypted.
BLOCK_BYTES = 131_072
# Larger content is worth a look at the replies to its envelope first; it leaves after DATA, piece by piece.
CHUNK_BYTES = 65_536
# A session that was silent for longer may be gone without our knowing: an envelope finds out at no risk.
LIVELY_S = 1.0
_REFUSALS = 400


class Carriage:
    """See above. With `tells` everything is told to the recorder as it happens; else notes are all there is."""

    def __init__(
        self,
        dialogue: Dialogue,
        deadlines: Deadlines,
        extensions: Mapping[str, tuple[str, ...]],
        manners: Manners,
        cargo: Cargo,
        *,
        is_fresh: bool,
        tells: bool,
    ) -> None:
        self._dialogue, self._connection, self._recorder = dialogue, dialogue.connection, dialogue.recorder
        self._deadlines, self._extensions, self._manners, self._cargo = deadlines, extensions, manners, cargo
        self._is_fresh, self._tells = is_fresh, tells
        self._landing = Landing(cargo, dialogue.recorder, manners, tells=tells)
        self._flying: deque[Flight] = deque()
        self._conveyed: Flight | None = None
        self._pipelines = "PIPELINING" in extensions
        self.heard_s = float("-inf")
        self.carried = 0

    async def run(self) -> bool:
        """Carry until there is nothing more (now); whether the session may go on. Raises what a shipment raises that
        the cargo does not deal with, and cancellation; both drop the connection without another final dot."""
        try:
            await self._run()
        except WireFault as fault:
            self._landing.lost(self._given_up(), fault, is_fresh=self._is_fresh)
        except SessionFailed as failed:
            self._landing.taken_leave(self._given_up(), failed.reply, is_fresh=self._is_fresh)
        except Farewell:
            self._landing.taken_leave(self._given_up(), None, is_fresh=self._is_fresh)
        except Distrusted as distrusted:
            self._landing.distrusted(self._given_up(), distrusted)
        except Exception as error:
            if not self._landing.broken_off(self._given_up(), self._conveyed, error):
                raise
        except BaseException:
            self._landing.cancelled(self._given_up())
            raise
        else:
            return True
        return False

    async def _run(self) -> None:
        await self._begin()
        while self._flying:
            flight = self._flying[0]
            transaction = flight.transaction
            if transaction.due:
                await self._hear()
            elif transaction.wants_content:
                await self._convey(flight)
            elif lines := transaction.commands():
                if self._connection.is_full:
                    await self._drained(flight)
                self._check_quiet(flight)
                self._say(flight, b"".join(lines), len(lines))
            elif transaction.wants_lone_dot:
                transaction.dotted()
                self._say(flight, FINAL_DOT, 1)
            else:
                await self._conclude()

    # Beginning.

    async def _begin(self) -> None:
        """The next envelope alone, or with its content where that is known to do no harm."""
        flight = self._next(overlapped=False)
        if flight is None:
            return
        self._flying.append(flight)
        self._tell(flight, Stage.SENDER)
        if not self._may_leave_whole(flight):
            return
        assert flight.octets is not None
        await self._marked(flight)
        self._check_quiet(flight)
        lines = flight.transaction.commands()
        envelope = b"".join(lines) + command.bdat(len(flight.octets), last=True)
        flight.is_whole = True
        self._note_said(flight, envelope)
        self._end_content(flight, envelope + flight.octets, len(lines) + 1)

    def _may_leave_whole(self, flight: Flight) -> bool:
        if not (flight.transaction.is_chunked and self._manners.chunking_proven and self._pipelines):
            return False
        lively = self._recorder.now_s() - self.heard_s < LIVELY_S
        return lively and flight.used is not Pipelining.NONE and not flight.shipment.careful

    def _next(self, *, overlapped: bool) -> Flight | None:
        """The next shipment that can be said to this server at all."""
        while (shipment := self._cargo.next(overlapped=overlapped)) is not None:
            lacking = lacking_extension(shipment.envelope, self._extensions)
            if lacking is not None:
                self._lacking(shipment, *lacking)
                continue
            used = self._manners.pipelining if self._pipelines else Pipelining.NONE
            try:
                octets = self._chunk_of(shipment.content)
                transaction = Transaction(
                    shipment.envelope, self._extensions, grouped=used is not Pipelining.NONE, chunked=octets is not None
                )
            except Exception as error:
                if not self._cargo.refused(shipment, error):
                    raise
                continue
            flight = Flight(shipment, transaction, octets, used, self._recorder.now_s())
            flight.overlapped = overlapped
            return flight
        return None

    def _chunk_of(self, content: Content) -> bytes | None:
        """A small content in one piece, where it may leave as it stands (no octet of it is changed by BDAT)."""
        if not self._manners.chunking or "CHUNKING" not in self._extensions or content.size_bytes > CHUNK_BYTES:
            return None
        octets = b"".join(content.chunks())
        if not octets.endswith(b"\r\n"):
            return None
        return octets if isinstance(content, Canonical) or is_canonical(octets) else None

    def _lacking(self, shipment: Shipment, reason: str, text: str) -> None:
        """P9: what the server lacks is everybody's failure, and nothing is said."""
        now_s, notes = self._recorder.now_s(), Notes()
        notes.waits(now_s, Stage.SENDER)
        notes.stopped(OurRefusal(now_s, Stage.SENDER, reason, text))
        notes.over(now_s, text, sent=False)
        self._landing.tell(notes)
        results = [
            RecipientResult(path, Outcome.FAILED, Stage.SENDER, None, text) for path in shipment.envelope.forward_paths
        ]
        self._cargo.ended(shipment, Ended(results, notes, 0.0))

    # Saying.

    def _say(self, flight: Flight, octets: bytes, replies: int) -> None:
        self._note_said(flight, octets)
        self._connection.send(octets, replies)
        self._tell(flight)

    def _note_said(self, flight: Flight, octets: bytes) -> None:
        flight.said_s = self._recorder.now_s()
        flight.notes.said(flight.said_s, octets)

    def _check_quiet(self, flight: Flight) -> None:
        """Before anything leaves: nothing may have come that nobody asked for. A farewell raises SessionFailed."""
        if self._connection.is_quiet:
            return
        stage = Stage.MESSAGE if flight.transaction.replies else Stage.SENDER
        unrest = self._dialogue.unrest()
        if isinstance(unrest, WireFault):
            raise self._fault(flight, stage, unrest)
        if unrest is not None:
            shown = self._dialogue.shown(unrest)
            flight.notes.heard(self._recorder.now_s(), stage, shown, 0.0)
            raise SessionFailed(stage, shown, FAREWELL)

    async def _marked(self, flight: Flight) -> None:
        if flight.shipment.mark is not None:
            self._conveyed = flight
            await flight.shipment.mark()
            await asyncio.sleep(0)
            self._conveyed = None

    async def _convey(self, flight: Flight) -> None:
        """The content, up to its end; the next envelope with it where the server bears that."""
        note_kept(self._manners, flight)
        if self._connection.is_full:
            await self._drained(flight)
        if not self._connection.is_quiet:
            self._interrupted(flight)
            self._check_quiet(flight)
        self._conveyed = flight
        content = flight.shipment.content
        if flight.octets is not None:
            await self._convey_chunks(flight, flight.octets)
        elif content.size_bytes > CHUNK_BYTES:
            await self._convey_blocks(flight, content)
        else:
            octets = whole_content(content)
            await self._marked(flight)
            self._interrupted(flight)
            self._end_content(flight, octets)
        self._conveyed = None
        if self._tells:
            self._tell(flight)

    async def _convey_blocks(self, flight: Flight, content: Content) -> None:
        framing, held = ContentFraming(vouched=isinstance(content, Canonical)), b""
        for block in _blocks(content):
            if held:
                self._connection.send(held, 0)
                await self._drained(flight)
                self._interrupted(flight)
            held = framing.framed(block)  # the last block leaves together with the final dot
        await self._marked(flight)
        self._interrupted(flight)
        self._end_content(flight, held + framing.ending())

    async def _convey_chunks(self, flight: Flight, octets: bytes) -> None:
        """BDAT LAST. To a server that has not shown that it knows BDAT, one header field goes first: it would take
        what it does not know for commands."""
        first = octets.find(b"\r\n") + 2
        if not self._manners.chunking_proven and flight.chunk_sent == 0 and first < len(octets):
            flight.chunk_sent = first
            flight.transaction.chunk_sent()
            self._note_said(flight, bdat := command.bdat(first, last=False))
            self._connection.send(bdat + octets[:first], 1)
            return
        await self._marked(flight)
        self._interrupted(flight)
        rest = octets[flight.chunk_sent:]
        self._note_said(flight, bdat := command.bdat(len(rest), last=True))
        self._end_content(flight, bdat + rest)

    def _end_content(self, flight: Flight, octets: bytes, replies: int = 1) -> None:
        """Sends what ends a content, and the next envelope with it where the server bears that."""
        flight.transaction.dotted()
        flight.said_s = self._recorder.now_s()
        flight.notes.content_left(flight.said_s, flight.shipment.envelope.size_bytes)
        content_bytes = len(octets)
        if flight.used is Pipelining.MESSAGES and self._manners.pipelining is Pipelining.MESSAGES:
            following = self._next(overlapped=True)
            if following is not None:
                lines = following.transaction.commands()
                self._flying.append(following)
                self._note_said(following, envelope := b"".join(lines))
                octets, replies = octets + envelope, replies + len(lines)
        flight.tail_bytes = self._connection.send(octets, replies) - content_bytes

    async def _drained(self, flight: Flight) -> None:
        """Waits until the server has taken what was sent, but for a little, and lets everybody else run."""
        stage = flight.transaction.awaited or Stage.MESSAGE
        try:
            await self._connection.drained(self._dialogue.clock.ends_at(self._deadlines.block_s))
        except TimeoutError:
            text = f"the server took nothing more within {self._deadlines.block_s:g} s"
            raise self._fault(flight, stage, WireFault("timeout", text)) from None
        except WireFault as fault:
            raise self._fault(flight, stage, fault) from None
        await asyncio.sleep(0)

    def _interrupted(self, flight: Flight) -> None:
        """Ends the run for a refusal that came before the content was complete; what else came raises, too (P5)."""
        if self._connection.is_quiet:
            return
        unasked = self._connection.unasked()
        if unasked is not None and (unasked.is_transient or unasked.is_permanent):
            shown = self._dialogue.shown(unasked)
            flight.notes.heard(self._recorder.now_s(), Stage.MESSAGE, shown, 0.0)
            flight.transaction.refuse_early(shown)
            raise Farewell
        if unasked is not None or self._connection.has_spoken or not self._connection.is_open:
            self._check_quiet(flight)

    # Hearing.

    def _due(self) -> Flight | None:
        """The transaction to which the next reply belongs."""
        for flight in self._flying:
            if flight.transaction.due:
                return flight
        return None

    async def _hear(self) -> None:
        """Waits for a reply, and takes all that have come."""
        connection = self._connection
        if not connection.has_reply:
            await self._wait()
        self.heard_s = now_s = self._recorder.now_s()
        for flight in tuple(self._flying):
            due = flight.transaction.due
            if due > 1 and not self._tells and self._is_granted(flight, due, now_s):
                continue
            while due and connection.has_reply:
                self._take(flight, connection.taken(), now_s)
                due -= 1
            if due:
                return

    def _is_granted(self, flight: Flight, due: int, now_s: float) -> bool:
        """Takes the replies to an envelope at once where all have come and all are as hoped for, as nearly always."""
        replies = self._connection.oldest(due)
        if len(replies) < due or flight is not self._flying[-1]:
            return False
        if self._dialogue.redaction.hides:
            replies = tuple([self._dialogue.shown(reply) for reply in replies])
        if not flight.transaction.receive_envelope(replies):
            return False
        self._connection.take_oldest(due)
        flight.notes.granted(now_s, replies, now_s - flight.said_s)
        return True

    async def _wait(self) -> None:
        flight = self._due()
        assert flight is not None
        stage = flight.transaction.awaited
        assert stage is not None
        if self._tells:
            self._tell(flight, stage)
        ends_at, allowed_s = self._dialogue.clock.span(self._timeout_s(flight, stage))
        try:
            await self._connection.heard(ends_at)
        except TimeoutError:
            octets = self._connection.pending_octets
            fault = WireFault("timeout", f"no reply within {round(allowed_s, 1):g} s", octets)
            raise self._fault(flight, stage, fault) from None
        except WireFault as fault:
            raise self._fault(flight, stage, fault) from None

    def _timeout_s(self, flight: Flight, stage: Stage) -> float:
        if stage is Stage.MESSAGE:
            return self._deadlines.final_dot_s if flight.transaction.dot_sent else self._deadlines.data_s
        if flight.overlapped and not self._manners.is_proven(Pipelining.MESSAGES):
            return min(self._deadlines.command_s, UNPROVEN_PIPELINING_TIMEOUT_S)
        return self._deadlines.command_s

    def _take(self, flight: Flight, reply: Reply, now_s: float) -> None:
        """One reply to the command that it belongs to."""
        transaction, stage = flight.transaction, flight.transaction.awaited
        assert stage is not None
        shown = self._dialogue.shown(reply)
        flight.notes.heard(now_s, stage, shown, now_s - flight.said_s)
        if transaction.dot_sent and stage is Stage.MESSAGE and self._connection.unsent_bytes > flight.tail_bytes:
            self._answered_unread(flight, shown)
        if flight is not self._flying[-1] and stage is Stage.MESSAGE:
            self._check_content_reply(flight, reply)
            self._flying[-1].follows_refusal = reply.code >= _REFUSALS
        elif reply.code >= _REFUSALS:
            check_order(self._manners, flight, stage, reply)
        if flight.is_whole and stage is Stage.MESSAGE:
            self._check_count(flight, shown)
        transaction.receive(shown)
        if transaction.is_chunked and stage is Stage.MESSAGE and reply.is_positive:
            self._manners.chunking_proven = True
        if self._tells:
            self._tell(flight)
        if transaction.closing:
            if transaction.misplaced is not None:
                fault = WireFault("malformed", f"a {reply.code} reply is not due here")
                raise self._fault(flight, stage, fault)
            raise Farewell

    def _answered_unread(self, flight: Flight, shown: Reply) -> Never:
        """The end of the content is still with us, and stays here: a refusal counts, anything else tells nothing."""
        if shown.is_transient or shown.is_permanent:
            flight.transaction.refuse_early(shown)
            raise Farewell
        fault = WireFault("unsolicited", f"the content was answered before it had left: {shown}"[:500])
        raise self._fault(flight, Stage.MESSAGE, fault)

    def _check_content_reply(self, flight: Flight, reply: Reply) -> None:
        try:
            check_content_reply(self._manners, reply)
        except WireFault as fault:
            raise self._fault(flight, Stage.MESSAGE, fault) from None

    def _check_count(self, flight: Flight, shown: Reply) -> None:
        """One reply too many: nobody knows which of them belonged to a content that left with its envelope."""
        if flight is self._flying[-1] and self._connection.next_code not in (None, CLOSING):
            fault = WireFault("unsolicited", f"a reply that nobody asked for: {shown}"[:500])
            raise self._fault(flight, Stage.MESSAGE, fault)

    # Ending.

    async def _conclude(self) -> None:
        """The oldest transaction came to its end by replies."""
        flight = self._flying.popleft()
        transaction = flight.transaction
        self.carried, self._is_fresh = self.carried + 1, False
        self._landing.ended(flight)
        if transaction.needs_reset and not self._flying:
            await self._reset()
        if not self._flying:
            await self._begin()

    async def _reset(self) -> None:
        """RSET after a transaction that ended early; a session that refuses it is over, the results stay."""
        trace = self._recorder.trace.events
        known = len(trace)
        reply = await self._dialogue.aside(command.RSET, Stage.MESSAGE, self._deadlines.command_s)
        if not self._tells:
            del trace[known:]
        if reply is None or not reply.is_positive:
            raise Farewell

    def _fault(self, flight: Flight, stage: Stage, fault: WireFault) -> WireFault:
        """Notes the peer's fault and gives it back, redacted."""
        event = self._dialogue.peer_fault(stage, fault)
        flight.notes.waits(event.at_s, stage)
        flight.notes.broke(event)
        return WireFault(fault.kind, event.text, event.octets)

    def _given_up(self) -> list[Flight]:
        """What was under way; the connection is dropped, so that no other final dot leaves."""
        self._connection.abort()
        flying = list(self._flying)
        self._flying.clear()
        return flying

    # Telling.

    def _tell(self, flight: Flight, stage: Stage | None = None) -> None:
        if self._tells:
            if stage is not None:
                flight.notes.waits(self._recorder.now_s(), stage)
            self._landing.tell(flight.notes)


def _blocks(content: Content) -> Iterator[bytes]:
    for chunk in content.chunks():
        if len(chunk) <= BLOCK_BYTES:
            yield chunk
            continue
        for start in range(0, len(chunk), BLOCK_BYTES):
            yield chunk[start : start + BLOCK_BYTES]
