"""A run of transactions over one session, one round trip each where the server bears it (RFC 2920 section 3.1).

With PIPELINING the next envelope leaves in the write that ends the content before it; with CHUNKING (RFC 3030) a small
content leaves together with its own envelope where a run begins. At most two transactions are under way: one
whose content has left wholly, and one that is an envelope as yet, so that a lost connection makes one of them uncertain
at most. Replies belong to commands in their order; each transaction gets its own results (U6).

When the connection is lost, or the server says good-bye (P8) or something that nobody asked for (P5), a transaction
whose end has left is uncertain, one that the server had taken up is deferred, and one that it never took up is put
back. A server that does not bear what it offers is noticed (policy/manners); what was affected is put back, too.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping

from postroom.policy.manners import Manners, Pipelining, answers_another_command, is_out_of_order, knows_no_chunks
from postroom.smtp import command
from postroom.smtp.client import CLOSING, Transaction, lacking_extension
from postroom.smtp.content import FINAL_DOT, Canonical, Content, ContentFraming, is_canonical
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

# A larger chunk would hold up everything else that runs in this process while it is framed and encrypted.
BLOCK_BYTES = 131_072
# Larger content is worth a look at the replies to its envelope first; it leaves after DATA, piece by piece.
CHUNK_BYTES = 65_536
# A session that was silent for longer may be gone without our knowing: an envelope finds out at no risk.
LIVELY_S = 1.0
_REFUSALS = 400


class _Flight:
    """A transaction under way. `used` is the way in which its envelope left, `overlapped` with the content before it,
    `is_whole` with its own; `chunk_sent` octets of its content are with the server, `octets` are all of a small one."""

    __slots__ = (
        "began_s", "chunk_sent", "is_whole", "notes", "octets", "overlapped", "said_s", "shipment", "transaction",
        "used",
    )

    def __init__(
        self, shipment: Shipment, transaction: Transaction, octets: bytes | None, used: Pipelining, began_s: float
    ) -> None:
        self.shipment, self.transaction, self.octets, self.used = shipment, transaction, octets, used
        self.began_s = self.said_s = began_s
        self.notes = Notes()
        self.chunk_sent = 0
        self.overlapped = self.is_whole = False


class _Distrusted(Exception):
    """The server did not bear what it offers; the session is over. `flight` is what it was noticed by."""

    def __init__(self, flight: _Flight, reply: Reply) -> None:
        super().__init__(str(reply))
        self.flight, self.reply = flight, reply


class _Farewell(Exception):
    """The server said 421 in its turn: the session is over."""


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
        self._flying: deque[_Flight] = deque()
        self._conveyed: _Flight | None = None
        self._pipelines = "PIPELINING" in extensions
        self.heard_s = float("-inf")
        self.carried = 0

    async def run(self) -> bool:
        """Carry until there is nothing more (now); whether the session may go on. Raises what a shipment raises that
        the cargo does not deal with, and cancellation; both drop the connection without another final dot."""
        try:
            await self._run()
        except WireFault as fault:
            self._lost(fault)
        except SessionFailed as failed:
            self._taken_leave(failed.reply)
        except _Farewell:
            self._taken_leave(None)
        except _Distrusted as distrusted:
            self._distrusted(distrusted)
        except Exception as error:
            self._connection.abort()
            if not self._broken_off(error):
                raise
        except BaseException:
            self._connection.abort()
            self._cancelled()
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

    def _may_leave_whole(self, flight: _Flight) -> bool:
        if not (flight.transaction.is_chunked and self._manners.chunking_proven and self._pipelines):
            return False
        lively = self._recorder.now_s() - self.heard_s < LIVELY_S
        return lively and flight.used is not Pipelining.NONE and not flight.shipment.careful

    def _next(self, *, overlapped: bool) -> _Flight | None:
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
            flight = _Flight(shipment, transaction, octets, used, self._recorder.now_s())
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
        self._tell_notes(notes)
        results = [
            RecipientResult(path, Outcome.FAILED, Stage.SENDER, None, text) for path in shipment.envelope.forward_paths
        ]
        self._cargo.ended(shipment, Ended(results, notes, 0.0))

    # Saying.

    def _say(self, flight: _Flight, octets: bytes, replies: int) -> None:
        self._note_said(flight, octets)
        self._connection.send(octets, replies)
        self._tell(flight)

    def _note_said(self, flight: _Flight, octets: bytes) -> None:
        flight.said_s = self._recorder.now_s()
        flight.notes.said(flight.said_s, octets)

    def _check_quiet(self, flight: _Flight) -> None:
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

    async def _marked(self, flight: _Flight) -> None:
        if flight.shipment.mark is not None:
            self._conveyed = flight
            await flight.shipment.mark()
            await asyncio.sleep(0)
            self._conveyed = None

    async def _convey(self, flight: _Flight) -> None:
        """The content, up to its end; the next envelope with it where the server bears that."""
        self._note_kept(flight)
        self._interrupted(flight)
        self._check_quiet(flight)
        self._conveyed = flight
        if flight.octets is not None:
            await self._convey_chunks(flight, flight.octets)
        else:
            await self._convey_lines(flight)
        self._conveyed = None
        self._tell(flight)

    async def _convey_lines(self, flight: _Flight) -> None:
        content = flight.shipment.content
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

    async def _convey_chunks(self, flight: _Flight, octets: bytes) -> None:
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

    def _end_content(self, flight: _Flight, octets: bytes, replies: int = 1) -> None:
        """Sends what ends a content, and the next envelope with it where the server bears that."""
        flight.transaction.dotted()
        flight.said_s = self._recorder.now_s()
        flight.notes.content_left(flight.said_s, flight.shipment.envelope.size_bytes)
        if flight.used is Pipelining.MESSAGES and self._manners.pipelining is Pipelining.MESSAGES:
            following = self._next(overlapped=True)
            if following is not None:
                lines = following.transaction.commands()
                self._flying.append(following)
                self._note_said(following, envelope := b"".join(lines))
                octets, replies = octets + envelope, replies + len(lines)
        self._connection.send(octets, replies)

    async def _drained(self, flight: _Flight) -> None:
        """Waits until the server has taken the block, and lets everybody else run."""
        try:
            await self._connection.drained(self._dialogue.clock.ends_at(self._deadlines.block_s))
        except TimeoutError:
            text = f"the server took no more content within {self._deadlines.block_s:g} s"
            raise self._fault(flight, Stage.MESSAGE, WireFault("timeout", text)) from None
        except WireFault as fault:
            raise self._fault(flight, Stage.MESSAGE, fault) from None
        await asyncio.sleep(0)

    def _interrupted(self, flight: _Flight) -> None:
        """Ends the run for a refusal that came before the content was complete; what else came raises, too (P5)."""
        if self._connection.is_quiet:
            return
        unasked = self._connection.unasked()
        if unasked is not None and (unasked.is_transient or unasked.is_permanent):
            shown = self._dialogue.shown(unasked)
            flight.notes.heard(self._recorder.now_s(), Stage.MESSAGE, shown, 0.0)
            flight.transaction.refuse_early(shown)
            raise _Farewell
        if unasked is not None or self._connection.has_spoken or not self._connection.is_open:
            self._check_quiet(flight)

    # Hearing.

    def _due(self) -> _Flight | None:
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
            while due and connection.has_reply:
                self._take(flight, connection.taken(), now_s)
                due -= 1
            if due:
                return

    async def _wait(self) -> None:
        flight = self._due()
        assert flight is not None
        stage = flight.transaction.awaited
        assert stage is not None
        self._tell(flight, stage)
        timeout_s = self._timeout_s(flight, stage)
        allowed_s = self._dialogue.clock.left_s(timeout_s)
        try:
            await self._connection.heard(self._dialogue.clock.ends_at(timeout_s))
        except TimeoutError:
            octets = self._connection.pending_octets
            fault = WireFault("timeout", f"no reply within {round(allowed_s, 1):g} s", octets)
            raise self._fault(flight, stage, fault) from None
        except WireFault as fault:
            raise self._fault(flight, stage, fault) from None

    def _timeout_s(self, flight: _Flight, stage: Stage) -> float:
        if stage is Stage.MESSAGE:
            return self._deadlines.final_dot_s if flight.transaction.dot_sent else self._deadlines.data_s
        if flight.overlapped and not self._manners.is_proven(Pipelining.MESSAGES):
            return min(self._deadlines.command_s, UNPROVEN_PIPELINING_TIMEOUT_S)
        return self._deadlines.command_s

    def _take(self, flight: _Flight, reply: Reply, now_s: float) -> None:
        """One reply to the command that it belongs to."""
        transaction, stage = flight.transaction, flight.transaction.awaited
        assert stage is not None
        shown = self._dialogue.shown(reply)
        flight.notes.heard(now_s, stage, shown, now_s - flight.said_s)
        if reply.code >= _REFUSALS or flight is not self._flying[-1]:
            self._check_order(flight, stage, reply)
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
            raise _Farewell

    def _check_count(self, flight: _Flight, shown: Reply) -> None:
        """One reply too many: nobody knows which of them belonged to a content that left with its envelope."""
        if flight is self._flying[-1] and self._connection.next_code not in (None, CLOSING):
            fault = WireFault("unsolicited", f"a reply that nobody asked for: {shown}"[:500])
            raise self._fault(flight, Stage.MESSAGE, fault)

    def _check_order(self, flight: _Flight, stage: Stage, reply: Reply) -> None:
        """Raises where a reply tells that the server does not bear what left together."""
        transaction, manners = flight.transaction, self._manners
        if flight is not self._flying[-1]:
            if not manners.is_proven(Pipelining.MESSAGES) and answers_another_command(reply):
                manners.broke(Pipelining.MESSAGES, f"it answered a content with: {reply}"[:300])
                fault = WireFault("pipelining", f"the reply to another command: {reply}"[:500])
                raise self._fault(flight, stage, fault)
            return
        if flight.shipment.careful or flight.used is Pipelining.NONE:
            return
        if transaction.is_chunked and stage is Stage.MESSAGE and flight.chunk_sent and not transaction.dot_sent:
            if knows_no_chunks(reply) and not manners.chunking_proven:
                manners.refused_chunks(reply)
                raise _Distrusted(flight, reply)
            return
        if transaction.dot_sent or not is_out_of_order(reply):
            return
        way = Pipelining.MESSAGES if flight.overlapped else Pipelining.ENVELOPE
        if manners.is_proven(way) or transaction.refusal is not None:
            return
        if flight.overlapped or transaction.replies:
            manners.broke(way, f"it refused what was sent together: {reply}"[:300])
            raise _Distrusted(flight, reply)

    def _note_kept(self, flight: _Flight) -> None:
        """All of an envelope that left together was answered as it should be."""
        if flight.used is not Pipelining.NONE:
            self._manners.kept(Pipelining.MESSAGES if flight.overlapped else Pipelining.ENVELOPE)

    # Ending.

    async def _conclude(self) -> None:
        """The oldest transaction came to its end by replies."""
        flight = self._flying.popleft()
        transaction = flight.transaction
        self.carried += 1
        self._hand_in(flight, "")
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
            raise _Farewell

    def _hand_in(self, flight: _Flight, reason: str) -> None:
        self._cargo.ended(flight.shipment, self._ended(flight, reason))

    def _ended(self, flight: _Flight, reason: str) -> Ended:
        now_s, results = self._recorder.now_s(), flight.transaction.results()
        sent = any(result.outcome is Outcome.SENT for result in results)
        flight.notes.over(now_s, reason, sent=sent)
        self._tell_notes(flight.notes)
        return Ended(results, flight.notes, now_s - flight.began_s)

    def _fault(self, flight: _Flight, stage: Stage, fault: WireFault) -> WireFault:
        """Notes the peer's fault and gives it back, redacted."""
        event = self._dialogue.peer_fault(stage, fault)
        flight.notes.waits(event.at_s, stage)
        flight.notes.broke(event)
        return WireFault(fault.kind, event.text, event.octets)

    def _lost(self, fault: WireFault) -> None:
        """The connection is of no use any more."""
        self._connection.abort()
        for flight in self._flying_away():
            transaction = flight.transaction
            suspect = self._suspect(flight, fault)
            is_fresh = self._is_fresh and self.carried == 0 and not flight.overlapped
            never_begun = transaction.was_never_begun and not is_fresh
            transaction.lose(transaction.awaited or Stage.SENDER, fault.text)
            self._give_up(flight, fault.text, never_begun or suspect, careful=suspect)

    def _suspect(self, flight: _Flight, fault: WireFault) -> bool:
        """Whether this is put down to what left together; only what can't have been taken is sent again for it."""
        transaction, manners = flight.transaction, self._manners
        if transaction.dot_sent or flight.used is Pipelining.NONE or flight.shipment.careful:
            return False
        if transaction.refusal is not None and transaction.misplaced is None:
            return False  # what was answered counts
        way = Pipelining.MESSAGES if flight.overlapped else Pipelining.ENVELOPE
        if manners.is_proven(way) or not (flight.overlapped or (transaction.replies and transaction.due)):
            return False
        if fault.kind in ("closed", "reset"):
            manners.hung_up(way, f"it hung up in place of an answer to what was sent together: {fault.text}"[:300])
        else:
            manners.broke(way, f"it did not answer what was sent together: {fault.text}"[:300])
        return flight.overlapped

    def _taken_leave(self, reply: Reply | None) -> None:
        """421, before a command or in its place: who was not answered was not taken up (RFC 5321 section 3.8)."""
        self._connection.abort()
        is_fresh = self._is_fresh and self.carried == 0
        for position, flight in enumerate(self._flying_away()):
            transaction = flight.transaction
            never_begun = transaction.was_never_begun and not (is_fresh and position == 0)
            transaction.lose(Stage.MESSAGE if transaction.replies else Stage.SENDER, FAREWELL, reply)
            self._give_up(flight, "", never_begun, careful=False)

    def _distrusted(self, distrusted: _Distrusted) -> None:
        self._connection.abort()
        reason = f"it did not bear what it offers: {distrusted.reply}"[:300]
        for flight in self._flying_away():
            flight.transaction.lose(flight.transaction.awaited or Stage.SENDER, reason, distrusted.reply)
            self._give_up(flight, reason, flight is distrusted.flight, careful=True)

    def _give_up(self, flight: _Flight, reason: str, puts_back: bool, *, careful: bool) -> None:
        ended = self._ended(flight, reason)
        if puts_back:
            self._cargo.put_back(flight.shipment, ended, careful=careful)
        else:
            self._cargo.ended(flight.shipment, ended)

    def _broken_off(self, error: Exception) -> bool:
        """A shipment's content or mark raised, or we are at fault ourselves; whether the cargo dealt with it."""
        conveyed, dealt_with = self._conveyed, False
        for flight in self._flying_away():
            if flight is conveyed and not flight.transaction.dot_sent:
                dealt_with = self._cargo.refused(flight.shipment, error)
            else:
                self._cargo.left(flight.shipment)
        return dealt_with

    def _cancelled(self) -> None:
        for flight in self._flying_away():
            if flight.transaction.was_never_begun:
                flight.transaction.lose(Stage.SENDER, "the session was ended")
                self._give_up(flight, "the session was ended", True, careful=False)
            else:
                self._cargo.left(flight.shipment)

    def _flying_away(self) -> list[_Flight]:
        flying = list(self._flying)
        self._flying.clear()
        return flying

    # Telling.

    def _tell(self, flight: _Flight, stage: Stage | None = None) -> None:
        if self._tells:
            if stage is not None:
                flight.notes.waits(self._recorder.now_s(), stage)
            self._tell_notes(flight.notes)

    def _tell_notes(self, notes: Notes) -> None:
        if self._tells:
            for event in notes.untold():
                self._recorder.add(event)


def _blocks(content: Content) -> Iterator[bytes]:
    for chunk in content.chunks():
        if len(chunk) <= BLOCK_BYTES:
            yield chunk
            continue
        for start in range(0, len(chunk), BLOCK_BYTES):
            yield chunk[start : start + BLOCK_BYTES]
