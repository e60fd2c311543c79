"""The notes of one transaction: cheap to take, made into trace events only when somebody asks.

A transaction that was sent needs no evidence, and nearly all are. So what is said goes down as plain tuples, and
`events` tells them as `smtp.trace` does, with the begin and end of each stage. Telling may be done bit by bit while
the transaction runs: `untold` gives what came since the last time.
"""

from collections.abc import Iterator
from typing import Any

from postroom.terms.outcome import Stage
from postroom.terms.reply import Reply

from . import command
from .text import printable
from .trace import CommandSent, ContentSent, Event, OurRefusal, PeerFault, ReplyReceived, StageEnded, StageStarted

REPLY_CHARACTERS = 200


class Notes:
    """See above. Times are seconds since the session began; replies and octets are redacted before they come here."""

    __slots__ = ("_failed", "_notes", "_passed", "_refusal", "_stage", "_told")

    def __init__(self) -> None:
        self._notes: list[tuple[Any, ...]] = []
        self._told = 0
        self._stage: Stage | None = None
        self._passed = self._failed = False
        self._refusal: Reply | None = None

    def said(self, at_s: float, octets: bytes) -> None:
        """Command lines that leave in one write."""
        self._notes.append((_say, at_s, octets))

    def heard(self, at_s: float, stage: Stage, reply: Reply, waited_s: float) -> None:
        self._notes.append((_hear, at_s, stage, reply, waited_s))

    def granted(self, at_s: float, replies: tuple[Reply, ...], waited_s: float) -> None:
        """The replies to a whole envelope, each the one that is hoped for: to MAIL, to RCPT, and 354 to DATA."""
        self._notes.append((_grant, at_s, replies, waited_s))

    def content_left(self, at_s: float, size_bytes: int) -> None:
        self._notes.append((_leave, at_s, size_bytes))

    def broke(self, fault: PeerFault) -> None:
        """The peer's fault; the stage it came in is over."""
        self._notes.append((_break, fault.at_s, fault))

    def stopped(self, refusal: OurRefusal) -> None:
        """We stopped on purpose."""
        self._notes.append((_break, refusal.at_s, refusal))

    def waits(self, at_s: float, stage: Stage) -> None:
        """From here on the stage is awaited."""
        self._notes.append((_wait, at_s, stage))

    def over(self, at_s: float, reason: str, *, sent: bool) -> None:
        """The transaction ended: `reason` when not by a reply; `sent` when somebody gets it."""
        self._notes.append((_end, at_s, reason, sent))

    def events(self) -> list[Event]:
        """All of it from the beginning."""
        again = Notes()
        again._notes = self._notes
        return list(again.untold())

    def untold(self) -> Iterator[Event]:
        """What was noted since the last time."""
        while self._told < len(self._notes):
            tell, *values = self._notes[self._told]
            self._told += 1
            yield from tell(self, *values)

    # Stages.

    def _enter(self, at_s: float, stage: Stage) -> Iterator[Event]:
        """Begins a stage when the talk has come to it; after a failed one no other begins."""
        if stage is self._stage or self._failed:
            return
        if self._stage is not None:
            yield self._ended(at_s, "")
            if self._failed:
                return
        self._stage, self._passed = stage, False
        yield StageStarted(at_s, stage)

    def _ended(self, at_s: float, reason: str) -> StageEnded:
        passed = self._passed and not reason
        detail = "" if passed else reason or (printable(str(self._refusal), REPLY_CHARACTERS) if self._refusal else "")
        assert self._stage is not None
        self._failed = not passed
        return StageEnded(at_s, self._stage, passed, detail)


def _say(_: Notes, at_s: float, octets: bytes) -> Iterator[Event]:
    for line in octets.split(b"\r\n"):
        if line:
            yield CommandSent(at_s, command.shown(line))


def _wait(notes: Notes, at_s: float, stage: Stage) -> Iterator[Event]:
    yield from notes._enter(at_s, stage)


def _hear(notes: Notes, at_s: float, stage: Stage, reply: Reply, waited_s: float) -> Iterator[Event]:
    yield from notes._enter(at_s, stage)
    yield ReplyReceived(at_s, reply, stage, waited_s)
    if stage is not Stage.MESSAGE and reply.is_positive:
        notes._passed = True
    if notes._refusal is None and (reply.is_transient or reply.is_permanent):
        notes._refusal = reply


def _grant(notes: Notes, at_s: float, replies: tuple[Reply, ...], waited_s: float) -> Iterator[Event]:
    for position, reply in enumerate(replies):
        usual = Stage.RECIPIENT if position else Stage.SENDER
        yield from _hear(notes, at_s, Stage.MESSAGE if reply.is_intermediate else usual, reply, waited_s)


def _leave(_: Notes, at_s: float, size_bytes: int) -> Iterator[Event]:
    yield ContentSent(at_s, size_bytes)


def _break(_: Notes, __: float, event: PeerFault | OurRefusal) -> Iterator[Event]:
    yield event


def _end(notes: Notes, at_s: float, reason: str, sent: bool) -> Iterator[Event]:
    if notes._stage is not None and not notes._failed:
        notes._passed = sent
        yield notes._ended(at_s, reason)
