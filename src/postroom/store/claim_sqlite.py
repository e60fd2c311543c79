"""Claiming on SQLite: due deliveries leased with their attempts, and read with their messages' contents.

A claim takes a handful of statements, however much it brings. What they read comes as JSON in one row, and contents as
one piece; where a value is damaged so that this can't be said, rows are read one by one, and the damaged ones set apart
(D9).
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from postroom.terms.limits import RECIPIENTS_PER_TRANSACTION
from postroom.terms.server import Limits

from . import rates
from .blobs import DamagedBlob
from .content import FrozenContent, content_of_row, one_file
from .due_sqlite import CLAIM_DELIVERIES, due, message_of
from .ids import new_id
from .queue import Claimed, Claims, Damaged, Lease, QueuedMessage
from .rows_sqlite import any_text, insert, said
from .suppressed import SUPPRESSED_SQLITE
from .times_sqlite import text_of, time_of
from .turns import Turns, first_messages, transactions
from .writer_sqlite import WriteApart, is_about_file

# An attempt after which the server will never take the delivery, as a stand-in may say of its sender or content.
REFUSED = "t.outcome = 'failed' AND t.stage <> ''"
_TRIED = (
    "CASE WHEN d.attempt_count = 0 THEN '' ELSE (SELECT group_concat(t.server_id, ' ') FROM store_attempt t"
    f" WHERE t.delivery_id = d.id AND ({REFUSED} OR t.moved_to <> '' AND t.number > COALESCE((SELECT max(w.number)"
    " FROM store_attempt w WHERE w.delivery_id = d.id AND w.ended_at IS NOT NULL AND w.moved_to = ''), 0))) END"
)
_DELIVERIES = (
    "SELECT json_group_array(json_array(number, id, recipient, server_id, server_name, fence, attempts, uncertain,"
    " tried, suppressed, message_id)) FROM ("
    "SELECT d.rowid AS number, d.id, d.recipient, d.server_id, s.name AS server_name,"
    " d.fence + 1 AS fence, d.attempt_count + 1 AS attempts, d.uncertain_count AS uncertain,"
    f" {_TRIED} AS tried, {SUPPRESSED_SQLITE} AS suppressed, d.message_id"
    " FROM json_each(?) asked CROSS JOIN store_delivery d ON d.rowid = asked.value"
    " CROSS JOIN store_smtpserver s ON s.id = d.server_id CROSS JOIN store_message m ON m.id = d.message_id"
    " ORDER BY asked.key)"
)
_MESSAGE_COLUMNS = (
    "m.id, m.message_id, m.reverse_path, m.from_header, m.subject, m.purpose, m.content_digest, m.content_size,"
    " m.needs_8bit, m.needs_smtputf8, m.created_at, m.expires_at, m.server_id, m.pinned, m.content_id"
)
# Octets as text stay octets, for nothing is converted in a database of UTF-8; the lengths tell whether all came.
_MESSAGES = (
    f"SELECT json_group_array(json_array({_MESSAGE_COLUMNS}, c.layout, length(c.octets))),"
    " CAST(group_concat(CAST(c.octets AS TEXT), '') AS BLOB)"
    " FROM json_each(?) asked CROSS JOIN store_message m ON m.id = asked.value"
    " LEFT JOIN store_content c ON c.id = m.content_id"
)
_LEASE = (
    "UPDATE store_delivery SET state = 'sending', fence = fence + 1, attempt_count = attempt_count + 1,"
    " lease_until = ?, updated_at = ? WHERE rowid IN (SELECT value FROM json_each(?))"
)
_ATTEMPT = (
    "INSERT INTO store_attempt (id, delivery_id, number, server_id, server_name, started_at, outcome, stage,"
    " enhanced_code, reply, cause, moved_to)",
    "(?, ?, ?, ?, ?, ?, '', '', '', '', '', '')",
)
_DAMAGED = (
    "SELECT d.id, CAST(d.recipient AS BLOB), d.server_id, s.name, d.fence + 1, d.attempt_count + 1"
    " FROM store_delivery d JOIN store_smtpserver s ON s.id = d.server_id WHERE d.rowid = ?"
)
LEFT_BEHIND = "(? IS NULL OR d.lease_until IS NULL OR d.lease_until < ?)"
_ABANDONED = (
    "SELECT d.id, d.recipient, d.server_id, d.fence, d.attempt_count, d.uncertain_count, a.id, a.stage,"
    f" {_MESSAGE_COLUMNS} FROM store_delivery d JOIN store_message m ON m.id = d.message_id"
    " LEFT JOIN store_attempt a ON a.delivery_id = d.id AND a.number = d.attempt_count AND a.ended_at IS NULL"
    f" WHERE d.state = 'sending' AND {LEFT_BEHIND} ORDER BY d.rowid"
)
_UNREADABLE = "the stored row can't be read"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One claim."""

    server_id: str
    now: datetime
    lease_until: datetime
    limit: int
    limits: Limits | None


# A due delivery as it will be under lease, or what is damaged of it, after its row's number, the attempt's number, and
# the name of its server.
_Found = tuple[int, int, str, Claimed | Damaged]
_Read = Callable[[sqlite3.Connection, list[int]], list[_Found]]


class Claiming:
    """Claims; remembers whose turn is next."""

    def __init__(self) -> None:
        self._turns = Turns()

    def write(self, connection: sqlite3.Connection, asked: Sequence[Wanted]) -> list[Claims]:
        """Raises WriteApart, or sqlite3.Error that is not about the file, where something can't be read."""
        return [self._claims(connection, wanted, _found) for wanted in asked]

    def one(self, connection: sqlite3.Connection, wanted: Wanted) -> Claims:
        with any_text(connection):
            return self._claims(connection, wanted, _found_apart)

    def _claims(self, connection: sqlite3.Connection, wanted: Wanted, read: _Read) -> Claims:
        limits, now = wanted.limits, wanted.now
        room = rates.room(connection, wanted.server_id, limits, now)
        if room.messages is None or limits is None:
            return self._leased(connection, wanted, wanted.limit, None, read)
        most = min(limits.recipients_per_message or RECIPIENTS_PER_TRANSACTION, RECIPIENTS_PER_TRANSACTION)
        claims = self._leased(connection, wanted, min(wanted.limit, room.messages), most, read)
        begun = transactions((claimed.message.id for claimed in claims.claimed), most)
        rates.spend(connection, wanted.server_id, limits, now, begun)
        held = rates.room(connection, wanted.server_id, limits, now)
        next_at = None if held.next_us is None else rates.time_of_micros(held.next_us)
        return replace(claims, next_at=next_at, held_by=held.by)

    def _leased(
        self, connection: sqlite3.Connection, wanted: Wanted, limit: int, per_transaction: int | None, read: _Read
    ) -> Claims:
        if limit < 1:
            return Claims()
        at = text_of(wanted.now)
        rows = due(connection, wanted.server_id, at, limit, self._turns.after(wanted.server_id))
        chosen = first_messages(rows, message_of, limit, CLAIM_DELIVERIES, per_transaction)
        if not chosen:
            return Claims()
        found = read(connection, [number for _, (number, _) in chosen])
        _store_lease(connection, found, at, text_of(wanted.lease_until))
        self._turns.served(wanted.server_id, chosen[-1][0])
        return Claims(
            tuple([claim for *_, claim in found if isinstance(claim, Claimed)]),
            tuple([claim for *_, claim in found if isinstance(claim, Damaged)]),
        )


def _found(connection: sqlite3.Connection, numbers: list[int]) -> list[_Found]:
    (text,) = connection.execute(_DELIVERIES, (json.dumps(numbers),)).fetchone()
    rows = json.loads(text)
    messages = _messages(connection, list(dict.fromkeys([row[-1] for row in rows])))
    return [_as_found(row, messages[row[-1]]) for row in rows]


def _found_apart(connection: sqlite3.Connection, numbers: list[int]) -> list[_Found]:
    """Each read by itself, so that one that can't be read spoils no other; without those that have no readable id, by
    which alone they could be set apart."""
    found: list[_Found] = []
    for number in numbers:
        try:
            found += _found(connection, [number])
        except (WriteApart, ValueError, TypeError, sqlite3.Error) as error:
            if is_about_file(error):
                raise
            found.append(_as_damaged(connection, number, str(error)))
    return [each for each in found if isinstance(each[-1].lease.delivery_id, str)]


def _as_damaged(connection: sqlite3.Connection, number: int, problem: str) -> _Found:
    id_, recipient, server_id, server_name, fence, attempts = connection.execute(_DAMAGED, (number,)).fetchone()
    lease = Lease(id_, new_id(), fence)
    return number, attempts, server_name, Damaged(lease, said(recipient), server_id, f"{_UNREADABLE}: {problem}")


def _as_found(row: Sequence[Any], message: "QueuedMessage | str") -> _Found:
    number, id_, recipient, server_id, server_name, fence, attempts, uncertain, tried, suppressed, _ = row
    lease = Lease(id_, new_id(), fence)
    claim: Claimed | Damaged
    if isinstance(message, str) or not isinstance(recipient, str):
        problem = message if isinstance(message, str) else "the recipient is no text"
        claim = Damaged(lease, str(recipient), server_id, f"{_UNREADABLE}: {problem}")
    else:
        passed = tuple(tried.split()) if tried else ()
        claim = Claimed(lease, recipient, server_id, attempts, uncertain, message, False, passed, suppressed or "")
    return number, attempts, server_name, claim


def _messages(connection: sqlite3.Connection, ids: list[str]) -> dict[str, QueuedMessage | str]:
    """Each message with its content, or what is wrong with it."""
    text, octets = connection.execute(_MESSAGES, (json.dumps(ids),)).fetchone()
    rows = json.loads(text)
    if sum(row[-1] or 0 for row in rows) != len(octets or b""):
        raise WriteApart
    messages: dict[str, QueuedMessage | str] = {}
    position = 0
    for *row, length in rows:
        own = None if length is None else octets[position:position + length]
        position += length or 0
        messages[row[0]] = _message(row, own)
    return messages


def _message(row: Sequence[Any], octets: bytes | None) -> QueuedMessage | str:
    """A message of its columns, up to the layout of its content, or what is wrong with them."""
    (
        id_, message_id, reverse_path, from_header, subject, purpose, digest, size, needs_8bit, needs_smtputf8,
        created_at, expires_at, home_id, pinned, content_id, layout,
    ) = row
    try:
        if {type(text) for text in row[:7]} != {str}:
            raise TypeError("a text is missing, or something else is in its place")
        if not isinstance(size, int):
            raise TypeError("content_size is not a number")
        return QueuedMessage(
            id_, message_id, reverse_path, from_header, subject, purpose, digest, size,
            _content(digest, size, content_id, octets, layout), bool(needs_8bit), bool(needs_smtputf8),
            time_of(created_at), time_of(expires_at), home_id, bool(pinned),
        )
    except (ValueError, TypeError) as error:
        return str(error)


def _content(digest: str, size: int, content_id: int | None, octets: Any, layout: Any) -> FrozenContent | None:
    try:
        return one_file(digest, size) if content_id is None else content_of_row(octets, layout)
    except DamagedBlob:
        return None


def _store_lease(connection: sqlite3.Connection, found: list[_Found], at: str, until: str) -> None:
    connection.execute(_LEASE, (until, at, json.dumps([number for number, *_ in found])))
    insert(connection, *_ATTEMPT, [
        (claim.lease.attempt_id, claim.lease.delivery_id, attempt_number, claim.server_id, server_name, at)
        for _, attempt_number, server_name, claim in found
    ])


def abandoned(connection: sqlite3.Connection, lease_until: datetime | None) -> Claims:
    """What is *sending* under a lease that was over at that time, or under any."""
    until = None if lease_until is None else text_of(lease_until)
    claimed: list[Claimed] = []
    damaged: list[Damaged] = []
    with any_text(connection):
        rows = connection.execute(_ABANDONED, (until, until)).fetchall()
    for row in rows:
        id_, recipient, server_id, fence, attempts, uncertain, attempt_id, stage, *columns = row
        lease, message = Lease(id_, attempt_id or "", fence), _message([*columns, None], None)
        may_have_left = stage != ""
        if isinstance(message, str) or not isinstance(recipient, str):
            problem = f"{_UNREADABLE}: {message if isinstance(message, str) else 'the recipient is no text'}"
            purpose = said(columns[5])
            damaged.append(Damaged(lease, said(recipient), server_id or "", problem, purpose, may_have_left))
        else:
            claimed.append(Claimed(lease, recipient, server_id or "", attempts, uncertain, message, may_have_left))
    return Claims(tuple(claimed), tuple(damaged))
