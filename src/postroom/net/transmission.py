"""One transaction over a dialogue: commands out, replies in, content in between."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from postroom.smtp.client import Transaction
from postroom.smtp.content import FINAL_DOT, Content, ContentFraming
from postroom.smtp.text import printable
from postroom.smtp.trace import ContentSent
from postroom.terms.outcome import Stage

from .deadlines import Deadlines
from .dialogue import Dialogue
from .failure import SessionFailed, WireFault

# A larger chunk would hold up everything else that runs in this process while it is framed and encrypted.
BLOCK_BYTES = 131_072


class Transmission:
    """Runs a `Transaction`; afterwards its results are complete."""

    def __init__(
        self,
        dialogue: Dialogue,
        deadlines: Deadlines,
        transaction: Transaction,
        before_final_dot: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._before_final_dot = before_final_dot
        self._dialogue = dialogue
        self._deadlines = deadlines
        self._transaction = transaction
        self._stage: Stage | None = None
        self._failed = False

    async def carry(self, content: Content) -> bool:
        """True when the session may go on. Raises only what `content` raises, and cancellation."""
        transaction = self._transaction
        self._enter(Stage.SENDER)
        try:
            await self._carry(content)
        except WireFault as fault:
            transaction.lose(self._stage or Stage.SENDER, fault.text)
            self._leave(fault.text)
            return False
        except SessionFailed as failed:
            transaction.lose(failed.stage, failed.reason, failed.reply)
            self._leave(failed.reason)
            return False
        self._leave()
        return not transaction.is_over

    async def _carry(self, content: Content) -> None:
        transaction = self._transaction
        while lines := transaction.commands():
            await self._exchanged(lines)
        if transaction.wants_content:
            if await self._content_sent(content):
                await self._received(self._deadlines.final_dot_s)
        elif transaction.wants_lone_dot:
            transaction.dotted()
            self._dialogue.say(FINAL_DOT, ".")
            await self._received(self._deadlines.final_dot_s)

    async def _exchanged(self, lines: list[bytes]) -> None:
        """Sends a group of commands and takes their replies."""
        self._dialogue.check_quiet(self._stage or Stage.SENDER)
        since_s = self._dialogue.recorder.now_s()
        self._dialogue.say_together(lines)
        while self._transaction.awaited is not None and not self._transaction.is_over:
            at_data = self._transaction.awaited is Stage.MESSAGE
            await self._received(self._deadlines.data_s if at_data else self._deadlines.command_s, since_s)

    async def _received(self, timeout_s: float, since_s: float | None = None) -> None:
        transaction = self._transaction
        stage = transaction.awaited
        assert stage is not None
        self._enter(stage)
        reply = await self._dialogue.hear(stage, timeout_s, since_s)
        transaction.receive(reply)
        if transaction.misplaced is not None:
            raise self._dialogue.broken(stage, WireFault("malformed", f"a {reply.code} reply is not due here"))

    async def _content_sent(self, content: Content) -> bool:
        """True once the final dot is on its way; False when the server ended the matter before."""
        dialogue, framing, held = self._dialogue, ContentFraming(), b""
        if self._interrupted():
            return False
        self._dialogue.check_quiet(Stage.MESSAGE)  # half a reply to content that nobody has sent yet
        for block in _blocks(content):
            if held:
                dialogue.connection.send(held, 0)
                await self._drained()
                if self._interrupted():
                    return False
            held = framing.framed(block)  # the last block leaves together with the final dot
        if self._before_final_dot is not None:
            await self._before_final_dot()
        await asyncio.sleep(0)
        if self._interrupted():
            return False
        self._transaction.dotted()
        dialogue.connection.send(held + framing.ending(), 1)
        dialogue.recorder.add(ContentSent(dialogue.recorder.now_s(), content.size_bytes))
        return True

    async def _drained(self) -> None:
        """Waits until the server has taken the block, and lets everybody else run."""
        connection, clock = self._dialogue.connection, self._dialogue.clock
        try:
            await connection.drained(clock.ends_at(self._deadlines.block_s))
        except TimeoutError:
            fault = WireFault("timeout", f"the server took no more content within {self._deadlines.block_s:g} s")
            raise self._dialogue.broken(Stage.MESSAGE, fault) from None
        except WireFault as fault:
            raise self._dialogue.broken(Stage.MESSAGE, fault) from None
        await asyncio.sleep(0)

    def _interrupted(self) -> bool:
        """Takes a refusal that came before the content was complete; what else came raises (P5)."""
        unasked = self._dialogue.connection.unasked()
        if unasked is None:
            if self._dialogue.connection.has_spoken or not self._dialogue.connection.is_open:
                self._dialogue.check_quiet(Stage.MESSAGE)
            return False
        if unasked.is_transient or unasked.is_permanent:
            shown = self._dialogue.noted(unasked, Stage.MESSAGE)
            self._transaction.refuse_early(shown)
            return True
        self._dialogue.check_quiet(Stage.MESSAGE)
        return False

    # Stages.

    def _enter(self, stage: Stage) -> None:
        """Begins a stage when the talk has come to it; after a failed one no other begins."""
        if stage is self._stage or self._failed:
            return
        if self._stage is not None:
            self._leave()
            if self._failed:
                return
        self._stage = stage
        self._dialogue.recorder.stage_started(stage)

    def _leave(self, reason: str = "") -> None:
        if self._stage is None or self._failed:
            return
        passed = not reason and self._transaction.has_passed(self._stage)
        refusal = self._transaction.refusal
        detail = "" if passed else reason or (printable(str(refusal), 200) if refusal else "")
        self._failed = not passed
        self._dialogue.recorder.stage_ended(self._stage, passed, detail)


def _blocks(content: Content) -> Iterator[bytes]:
    for chunk in content.chunks():
        for start in range(0, len(chunk), BLOCK_BYTES):
            yield chunk[start : start + BLOCK_BYTES]
