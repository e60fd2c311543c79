"""Settle: turn what an attempt came to into one fenced commit, with a finding for everything that was not sent.

Only this file writes the end of an attempt or a delivery's final state. A line goes to the activity log after the
commit, and only for settlements that the queue took.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from postroom.diagnosis.explain import finding_of_cause
from postroom.policy.failover import Move, Standing, Whereabouts, move_after
from postroom.policy.outcome import Decision, decision, uncertain_policy
from postroom.policy.retry import backoff_s, next_due
from postroom.smtp.text import printable
from postroom.store.activity_log import ActivityLog
from postroom.store.queue import Claimed, Damaged, Lease, Overdue, Queue, Settlement
from postroom.store.writer import StorageBusy, StorageUnknown
from postroom.terms.envelope import RecipientResult
from postroom.terms.finding import Finding
from postroom.terms.outcome import DeliveryState, Outcome, Stage
from postroom.terms.server import UncertainPolicy

from .rerouting import Rerouting

REPLY_CHARACTERS = 1_000
OVERDUE_AT_ONCE = 200
# So many move in one commit, so that no other waits long for the database.
MOVED_AT_ONCE = 500
# After a crash a delivery is tried again at once this often, then with the usual pauses.
PROMPT_ATTEMPTS = 5
STORAGE_PAUSES_S = (0.1, 0.3, 1.0, 3.0)
_SENT = str(Outcome.SENT)

_log = structlog.get_logger("postroom.settle")
T = TypeVar("T")
Explain = Callable[[RecipientResult], Finding]
Standings = Callable[[], Sequence[Standing]]


@dataclass(frozen=True, slots=True)
class ServerName:
    """How the log names a server, and what it does with uncertain mail."""

    id: str
    name: str
    uncertain: UncertainPolicy | None = None


NOBODY = ServerName("", "")


@dataclass(frozen=True, slots=True)
class Transacted:
    """What one transaction came to. `explain` makes the finding of a result; equal replies are explained once. `wait_s`
    replaces the usual pause before the next attempt at this server: the time for which it is left alone."""

    pairs: Sequence[tuple[Claimed, RecipientResult]]
    explain: Explain
    seconds: float
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Ending:
    """A settlement and its line of the activity log."""

    settlement: Settlement
    entry: dict[str, object]


class Settler:
    """Settles attempts. `now` and `jitter` are the wall clock and randomness from 0 up to 1; `rerouting` knows the
    rules for later tries."""

    def __init__(
        self,
        queue: Queue,
        log: ActivityLog,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._queue = queue
        self._log = log
        self._now = now
        self._jitter = jitter
        self.rerouting = Rerouting()

    async def settle_results(
        self,
        server: ServerName,
        pairs: Sequence[tuple[Claimed, RecipientResult]],
        explain: Explain,
        *,
        seconds: float,
        wait_s: float | None = None,
        standings: Standings = tuple,
    ) -> None:
        """`settle_transactions` for a single one."""
        transacted = (Transacted(pairs, explain, seconds, wait_s),)
        await self.settle_transactions(server, transacted, standings=standings)

    async def settle_transactions(
        self, server: ServerName, transacted: Sequence[Transacted], *, standings: Standings = tuple
    ) -> None:
        """End the attempts of some transactions in one commit, each recipient by its own result (U6).

        `standings` tells how all servers are now: where one of them takes over, it does so in the same commit."""
        endings: list[_Ending] = []
        for transaction in transacted:
            is_sent = all(result.outcome is Outcome.SENT for _, result in transaction.pairs)
            servers = () if is_sent else standings()
            moves = {} if is_sent else await self.rerouting.moves(server.id, transaction.pairs, servers)
            endings += self._endings(server, transaction, servers, moves)
        await self._commit(endings)

    def _endings(
        self, server: ServerName, transaction: Transacted, servers: Sequence[Standing], moves: Mapping[str, Move]
    ) -> list[_Ending]:
        pairs = transaction.pairs
        findings: dict[tuple[object, ...], Finding] = {}
        endings = []
        now = self._now()
        for claimed, result in pairs:
            if result.outcome is Outcome.SENT:
                endings.append(_sent(server, claimed, result, transaction.seconds, now))
                continue
            key = (result.outcome, result.stage, result.reply, result.reason)
            finding = findings.get(key) or findings.setdefault(key, transaction.explain(result))
            move = move_after(result, _whereabouts(server, claimed), servers) or moves.get(claimed.lease.delivery_id)
            made = self._decision(server, claimed, result, move, transaction.wait_s)
            endings.append(self._ending(server, claimed, result, finding, transaction.seconds, made, move))
        return endings

    async def pass_on(self, server_id: str, to: str) -> int:
        """Move what is due at a server to another one; how many deliveries."""
        moved = 0
        while True:
            count = await self._queue.pass_on(server_id, to, self._now(), MOVED_AT_ONCE)
            moved += count
            if count < MOVED_AT_ONCE:
                return moved

    def note_passed_on(self, server: ServerName, to: str, count: int) -> None:
        """A line of the activity log that tells of so many deliveries that moved to the server of that name."""
        note(self._log, {
            "at": self._now(), "kind": "server", "outcome": "moved", "severity": "warning", "server": server.name,
            "server_id": server.id, "moved_to": to,
            "title": f"Deliveries that waited for {server.name} moved to {to}: {count}",
        })

    async def hold(self, server: ServerName, claimed: Sequence[Claimed], cause: str, problem: str) -> None:
        """Set deliveries apart whose content or envelope can't be sent as it is (D9, D10)."""
        finding = finding_of_cause(cause, quotes=(problem,))
        await self._commit([
            _Ending(self._held(c.lease, finding, server), _entry(server, c, Outcome.FAILED, finding)) for c in claimed
        ])

    async def fail_suppressed(self, server: ServerName, claimed: Sequence[Claimed]) -> None:
        """End deliveries to suppressed recipients; nothing was tried (S8)."""
        endings = []
        for each in claimed:
            finding = finding_of_cause("recipient-suppressed", values={"recipient": each.recipient})
            settlement = Settlement(
                each.lease, DeliveryState.FAILED, self._now(), outcome=Outcome.FAILED, cause=finding.cause,
                finding=finding.as_stored(), through=server.id,
            )
            endings.append(_Ending(settlement, _entry(server, each, Outcome.FAILED, finding)))
        await self._commit(endings)

    async def hold_damaged(self, server: ServerName, damaged: Sequence[Damaged]) -> None:
        """Set deliveries apart whose rows can't be read, and of which nothing has left (D9)."""
        await self._commit([self._damage(server, row, Outcome.FAILED) for row in damaged])

    def _damage(self, server: ServerName, row: Damaged, outcome: Outcome) -> _Ending:
        finding = finding_of_cause("message-row-damaged", quotes=(row.problem,))
        entry: dict[str, object] = {"recipient": row.recipient, "delivery": row.lease.delivery_id}
        entry |= {"server": server.name, "server_id": server.id, **_logged(outcome, finding)}
        return _Ending(self._held(row.lease, finding, server, outcome), entry)

    def _held(
        self, lease: Lease, finding: Finding, server: ServerName, outcome: Outcome = Outcome.FAILED
    ) -> Settlement:
        return Settlement(
            lease, DeliveryState.HELD, self._now(), outcome=outcome, cause=finding.cause,
            finding=finding.as_stored(), uncertain=outcome is Outcome.UNCERTAIN, through=server.id,
        )

    async def settle_abandoned(self, servers: Callable[[str], ServerName], *, lease_over: bool) -> None:
        """End the attempts of a process that is gone, as `Queue.abandoned` finds them; deliveries return to the queue
        or are held (D7, U1).

        The message may have left, so the attempt is uncertain; only where nothing can have left it is not. The mark
        that tells is made for deliveries that would be held, and is looked at again when they return. Raises
        StorageBusy, StorageUnknown."""
        now = self._now()
        claims = await self._queue.abandoned(now, lease_over=lease_over)
        endings, untried = [], []
        for claimed in claims.claimed:
            server = servers(claimed.server_id)
            policy = uncertain_policy(claimed.message.purpose, server.uncertain)
            if policy is UncertainPolicy.HOLD and not claimed.transacting:
                untried.append(claimed.lease)
                continue
            endings.append(self._loss(server, claimed, policy, now))
        await self._commit(endings)
        if untried:
            await _stored(lambda: self._queue.take_back(untried, now, lease_over=lease_over))
        for row in claims.damaged:
            server = servers(row.server_id)
            is_held = uncertain_policy(row.purpose, server.uncertain) is UncertainPolicy.HOLD
            outcome = Outcome.FAILED if is_held and not row.transacting else Outcome.UNCERTAIN
            await self._commit([self._damage(server, row, outcome)])

    def _loss(self, server: ServerName, claimed: Claimed, policy: UncertainPolicy, now: datetime) -> _Ending:
        held, finding = policy is UncertainPolicy.HOLD, finding_of_cause("engine-stopped")
        # What ends the process again and again must not be what it begins with each time.
        is_prompt = claimed.attempt_count <= PROMPT_ATTEMPTS
        wait_s = 0.0 if is_prompt else backoff_s(claimed.attempt_count, self._jitter(), claimed.message.purpose)
        settlement = Settlement(
            claimed.lease, DeliveryState.HELD if held else DeliveryState.UNCERTAIN, now,
            None if held else next_due(now, wait_s, claimed.message.expires_at), outcome=Outcome.UNCERTAIN,
            stage=Stage.MESSAGE if claimed.transacting else "", cause=finding.cause, finding=finding.as_stored(),
            uncertain=True, through=server.id,
        )
        return _Ending(settlement, _entry(server, claimed, Outcome.UNCERTAIN, finding))

    async def settle_overdue(self, servers: Callable[[str], ServerName]) -> int:
        """Give up on waiting deliveries whose message has expired; how many there were."""
        now = self._now()
        overdue = await self._queue.overdue(now, OVERDUE_AT_ONCE)
        endings = [self._expiry(row, servers(row.server_id or ""), now) for row in overdue]
        taken = await _stored(lambda: self._queue.expire([e.settlement for e in endings])) if endings else []
        self._write(endings, taken)
        return len(overdue)

    def _expiry(self, row: Overdue, server: ServerName, now: datetime) -> _Ending:
        finding = finding_of_cause("queue-expired", quotes=(row.last_reply,) if row.last_reply else ())
        settlement = Settlement(row.lease, DeliveryState.FAILED, now, cause=finding.cause, finding=finding.as_stored())
        entry = {
            "recipient": row.recipient, "message_id": row.message_id, "message": row.message,
            "delivery": row.lease.delivery_id, "subject": row.subject, "server": server.name, "server_id": server.id,
        }
        return _Ending(settlement, {**entry, **_logged(Outcome.FAILED, finding)})

    def _decision(
        self, server: ServerName, claimed: Claimed, result: RecipientResult, move: Move | None, wait_s: float | None
    ) -> Decision:
        made = decision(
            result, purpose=claimed.message.purpose, setting=server.uncertain, attempt_count=claimed.attempt_count,
            jitter=self._jitter(),
        )
        if move is not None:
            pause_s = backoff_s(claimed.attempt_count, self._jitter(), claimed.message.purpose)
            return Decision(DeliveryState.DEFERRED, 0.0 if move.at_once else pause_s)
        return made if made.wait_s is None or wait_s is None else replace(made, wait_s=wait_s)

    def _ending(
        self,
        server: ServerName,
        claimed: Claimed,
        result: RecipientResult,
        finding: Finding,
        seconds: float,
        made: Decision,
        move: Move | None,
    ) -> _Ending:
        now = self._now()
        due_at = None if made.wait_s is None else next_due(now, made.wait_s, claimed.message.expires_at)
        reply = printable(str(result.reply) if result.reply else result.reason, REPLY_CHARACTERS)
        outcome = Outcome.DEFERRED if made.state is DeliveryState.DEFERRED else result.outcome
        settlement = Settlement(
            claimed.lease, made.state, now, due_at, stage=result.stage,
            outcome=Outcome.FAILED if move is not None and move.is_refused else outcome,
            reply_code=result.reply.code if result.reply else None,
            enhanced_code=(result.reply.enhanced or "") if result.reply else "", reply=reply,
            cause=finding.cause, finding=finding.as_stored(),
            uncertain=result.outcome is Outcome.UNCERTAIN, through=server.id, server_id=move.to.id if move else None,
            moved_to=move.to.name if move and move.at_once else "", seconds=seconds,
        )
        entry = _entry(server, claimed, outcome, finding)
        entry.update(
            stage=str(result.stage), code=settlement.reply_code, enhanced=settlement.enhanced_code or None, reply=reply,
            seconds=round(seconds, 3), moved_to=settlement.moved_to or None,
        )
        return _Ending(settlement, entry)

    async def _commit(self, endings: Sequence[_Ending]) -> None:
        if endings:
            settlements = [ending.settlement for ending in endings]
            self._write(endings, await _stored(lambda: self._queue.settle(settlements)))

    def _write(self, endings: Sequence[_Ending], taken: Sequence[bool]) -> None:
        entries = []
        for ending, was_taken in zip(endings, taken, strict=True):
            if was_taken:
                ending.entry["at"] = ending.settlement.at
                entries.append(ending.entry)
            else:
                _log.warning("a late settlement was refused", delivery=ending.settlement.lease.delivery_id)
        note_all(self._log, entries)


def note(log: ActivityLog, entry: Mapping[str, object]) -> None:
    """Add a line to the activity log; a disk that refuses it is no reason to stop delivering."""
    note_all(log, (entry,))


def note_all(log: ActivityLog, entries: Sequence[Mapping[str, object]]) -> None:
    """As `note`, of several."""
    try:
        log.append_all(entries)
    except OSError as error:
        _log.error("the activity log could not be written", error=str(error))


async def _stored(write: Callable[[], Awaitable[T]]) -> T:
    """What `write` returns, tried until the storage takes it: an outcome that is known must not be forgotten (D6).

    A repeated settlement is harmless, for the fence refuses it where the first one was stored after all (D4)."""
    tries = 0
    while True:
        try:
            return await write()
        except (StorageBusy, StorageUnknown) as error:
            _log.error("a settlement could not be stored; trying again", error=str(error))
            await asyncio.sleep(STORAGE_PAUSES_S[min(tries, len(STORAGE_PAUSES_S) - 1)])
            tries += 1


def _whereabouts(server: ServerName, claimed: Claimed) -> Whereabouts:
    message = claimed.message
    return Whereabouts(server.id, message.home_id, message.pinned, claimed.uncertain_count > 0, claimed.tried)


def _sent(
    server: ServerName, claimed: Claimed, result: RecipientResult, seconds: float, now: datetime
) -> _Ending:
    """What most deliveries come to, said without a detour."""
    answer, message = result.reply, claimed.message
    code, enhanced = (answer.code, answer.enhanced or "") if answer else (None, "")
    reply = printable(str(answer) if answer else result.reason, REPLY_CHARACTERS)
    settlement = Settlement(
        claimed.lease, DeliveryState.SENT, now, None, _SENT, result.stage, code, enhanced, reply, through=server.id,
        seconds=seconds,
    )
    entry: dict[str, object] = {
        "kind": "delivery", "outcome": _SENT, "severity": "information", "server": server.name, "server_id": server.id,
        "recipient": claimed.recipient, "message_id": message.message_id, "message": message.id,
        "delivery": claimed.lease.delivery_id, "subject": message.subject, "stage": str(result.stage), "code": code,
        "enhanced": enhanced or None, "reply": reply, "seconds": round(seconds, 3),
    }
    return _Ending(settlement, entry)


def _entry(server: ServerName, claimed: Claimed, outcome: Outcome, finding: Finding | None) -> dict[str, object]:
    return {
        "server": server.name, "server_id": server.id, "recipient": claimed.recipient,
        "message_id": claimed.message.message_id, "message": claimed.message.id, "delivery": claimed.lease.delivery_id,
        "subject": claimed.message.subject, **_logged(outcome, finding),
    }


_SEVERITY = {
    Outcome.SENT: "information", Outcome.DEFERRED: "warning", Outcome.UNCERTAIN: "warning", Outcome.FAILED: "error",
}


def _logged(outcome: Outcome, finding: Finding | None) -> dict[str, object]:
    return {
        "kind": "delivery", "outcome": str(outcome), "severity": _SEVERITY[outcome],
        "cause": finding.cause if finding else None, "title": finding.title if finding else None,
    }
