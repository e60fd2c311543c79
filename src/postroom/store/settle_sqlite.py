"""Ending, marking, renewing and giving back on SQLite: whatever a group brings of a kind, by few statements.

A statement finds its rows by their id alone (a plus sign before a column keeps SQLite from any other index) and writes
the columns that change: each column of an index costs a step in it.
"""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from postroom.terms.outcome import DeliveryState, Outcome

from .claim_sqlite import LEFT_BEHIND
from .queue import Lease, Settlement
from .rows_sqlite import update
from .tally import Tally
from .times_sqlite import text_of
from .writer_sqlite import WriteApart

_SENT = "id, fence, reply, at", "(?, ?, ?, ?)"
_SENT_DELIVERY = (
    "UPDATE store_delivery SET state = 'sent', lease_until = NULL, updated_at = given.at,"
    " last_reply = CASE given.reply WHEN '' THEN last_reply ELSE given.reply END{more} FROM given"
    " WHERE store_delivery.id = given.id AND store_delivery.fence = given.fence AND +state = 'sending'"
)
_NEVER_FAILED = _SENT_DELIVERY.format(more="") + " AND +cause = '' AND finding IS NULL"
_FAILED_BEFORE = _SENT_DELIVERY.format(more=", cause = '', finding = NULL")
_SENT_ATTEMPT = (
    "id, at, stage, code, enhanced, reply", "(?, ?, ?, ?, ?, ?)",
    "UPDATE store_attempt SET ended_at = given.at, outcome = 'sent', stage = given.stage, reply_code = given.code,"
    " enhanced_code = given.enhanced, reply = given.reply FROM given"
    " WHERE store_attempt.id = given.id AND ended_at IS NULL",
)
_ENDED = (
    "id, fence, state, due_at, uncertain, reply, cause, server_id, finding, at", "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "UPDATE store_delivery SET state = given.state, due_at = COALESCE(given.due_at, store_delivery.due_at),"
    " lease_until = NULL, uncertain_count = uncertain_count + given.uncertain,"
    " last_reply = CASE given.reply WHEN '' THEN last_reply ELSE given.reply END, cause = given.cause,"
    " server_id = COALESCE((SELECT s.id FROM store_smtpserver s WHERE s.id = given.server_id),"
    " (SELECT s.id FROM store_smtpserver s WHERE s.id = store_delivery.server_id)), finding = given.finding,"
    " updated_at = given.at FROM given"
    " WHERE store_delivery.id = given.id AND store_delivery.fence = given.fence"
    " AND +store_delivery.state IN ({states})",
)
_ENDED_ATTEMPT = (
    "id, at, outcome, stage, code, enhanced, reply, cause, finding, moved_to", "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "UPDATE store_attempt SET ended_at = given.at, outcome = given.outcome, stage = given.stage,"
    " reply_code = given.code, enhanced_code = given.enhanced, reply = given.reply, cause = given.cause,"
    " finding = given.finding, moved_to = given.moved_to FROM given"
    " WHERE store_attempt.id = given.id AND ended_at IS NULL",
)

_UNTRIED = (
    "SELECT 1 FROM store_delivery d CROSS JOIN store_attempt a WHERE d.id = ? AND a.id = ? AND a.stage = ''"
    f" AND {LEFT_BEHIND}"
)
_OPEN = "WHERE id IN (SELECT value FROM json_each(?)) AND ended_at IS NULL"


class Settling:
    """Ends deliveries that are in one of these states; what is taken is counted."""

    def __init__(self, tally: Tally, *from_states: DeliveryState) -> None:
        self._tally = tally
        states = ", ".join(f"'{state}'" for state in from_states)
        self._ended = (*_ENDED[:2], _ENDED[2].format(states=states))

    def write(self, connection: sqlite3.Connection, asked: Sequence[Sequence[Settlement]]) -> list[list[bool]]:
        """All of them. Raises WriteApart where one is not taken."""
        settlements = [settlement for some in asked for settlement in some]
        sent = [s for s in settlements if _is_plainly_sent(s)]
        others = [s for s in settlements if not _is_plainly_sent(s)] if len(sent) < len(settlements) else []
        if _take_sent(connection, sent) + self._take_others(connection, others) != len(settlements):
            raise WriteApart
        self._tally.count(settlements)
        return [[True] * len(some) for some in asked]

    def one(self, connection: sqlite3.Connection, settlements: Sequence[Settlement]) -> list[bool]:
        taken = [bool(self._take_others(connection, [settlement])) for settlement in settlements]
        self._tally.count(s for s, was_taken in zip(settlements, taken, strict=True) if was_taken)
        return taken

    def _take_others(self, connection: sqlite3.Connection, settlements: Sequence[Settlement]) -> int:
        """How many deliveries were taken. The attempts end with them: where not all were, only if none was."""
        if not settlements:
            return 0
        findings = [None if s.finding is None else json.dumps(s.finding) for s in settlements]
        taken = update(connection, *self._ended, [
            (
                s.lease.delivery_id, s.lease.fence, str(s.state), None if s.due_at is None else text_of(s.due_at),
                int(s.uncertain), s.reply, s.cause, s.server_id, finding, text_of(s.at),
            )
            for s, finding in zip(settlements, findings, strict=True)
        ])
        if taken == len(settlements):
            update(connection, *_ENDED_ATTEMPT, [
                (
                    s.lease.attempt_id, text_of(s.at), str(s.outcome), str(s.stage), s.reply_code, s.enhanced_code,
                    s.reply, s.cause, finding, s.moved_to,
                )
                for s, finding in zip(settlements, findings, strict=True) if s.lease.attempt_id
            ])
        return taken


def _is_plainly_sent(s: Settlement) -> bool:
    return (
        s.outcome == Outcome.SENT and s.state is DeliveryState.SENT and s.lease.attempt_id != ""
        and not (s.cause or s.finding or s.uncertain or s.due_at or s.server_id or s.moved_to)
    )


def _take_sent(connection: sqlite3.Connection, settlements: Sequence[Settlement]) -> int:
    """How many deliveries were taken, and their attempts with them."""
    if not settlements:
        return 0
    rows = [(s.lease.delivery_id, s.lease.fence, s.reply, text_of(s.at)) for s in settlements]
    taken = update(connection, *_SENT, _NEVER_FAILED, rows)
    if taken < len(rows):
        taken += update(connection, *_SENT, _FAILED_BEFORE, rows)
    update(connection, *_SENT_ATTEMPT, [
        (s.lease.attempt_id, text_of(s.at), str(s.stage), s.reply_code, s.enhanced_code, s.reply) for s in settlements
    ])
    return taken


def mark_transacting(connection: sqlite3.Connection, asked: Sequence[Sequence[Lease]]) -> list[list[bool]]:
    ids = [lease.attempt_id for leases in asked for lease in leases]
    marked, text = set(ids), json.dumps(ids)
    if connection.execute(f"UPDATE store_attempt SET stage = 'message' {_OPEN}", (text,)).rowcount < len(marked):
        marked = {id_ for (id_,) in connection.execute(f"SELECT id FROM store_attempt {_OPEN}", (text,))}
    return [[lease.attempt_id in marked for lease in leases] for leases in asked]


def renew(connection: sqlite3.Connection, leases: Sequence[Lease], lease_until: datetime) -> None:
    until = text_of(lease_until)
    update(
        connection, "id, fence, until", "(?, ?, ?)",
        "UPDATE store_delivery SET lease_until = given.until FROM given WHERE store_delivery.id = given.id"
        " AND store_delivery.fence = given.fence AND +state = 'sending'",
        [(lease.delivery_id, lease.fence, until) for lease in leases],
    )


def release(connection: sqlite3.Connection, leases: Sequence[Lease], now: datetime) -> None:
    at = text_of(now)
    for lease in leases:
        taken = connection.execute(
            "UPDATE store_delivery SET state = CASE WHEN uncertain_count > 0 THEN 'uncertain' WHEN attempt_count > 1"
            " THEN 'deferred' ELSE 'queued' END, attempt_count = attempt_count - 1, lease_until = NULL, updated_at = ?"
            " WHERE id = ? AND fence = ? AND state = 'sending'",
            (at, lease.delivery_id, lease.fence),
        ).rowcount
        if taken:
            connection.execute("DELETE FROM store_attempt WHERE id = ? AND ended_at IS NULL", (lease.attempt_id,))



def take_back(
    connection: sqlite3.Connection, leases: Sequence[Lease], now: datetime, lease_until: datetime | None
) -> None:
    """Of leases that were over at that time, or of any, those under which nothing may have left."""
    until = None if lease_until is None else text_of(lease_until)
    release(connection, [
        lease for lease in leases
        if connection.execute(_UNTRIED, (lease.delivery_id, lease.attempt_id, until, until)).fetchone()
    ], now)
