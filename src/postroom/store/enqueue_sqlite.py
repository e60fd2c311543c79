"""Enqueuing on SQLite: contents, messages, deliveries and idempotency keys of a whole group by a statement each."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .content import FrozenContent
from .enqueue_lists import enqueue_lists
from .ids import new_id
from .queue import Enqueued, IdempotencyConflict, NewMessage
from .rows_sqlite import insert
from .times_sqlite import text_of

Key = tuple[str, str]

_CONTENT = ("INSERT INTO store_content (layout, octets)", "(?, ?)")
_COLUMNS = (
    "id, client_id, client_name, server_id, pinned, message_id, reverse_path, from_header, subject, purpose, priority,"
    " content_digest, content_size, content_id, list_name, needs_8bit, needs_smtputf8, attachments, tags, metadata,"
    " created_at, send_at, expires_at"
)
_MESSAGE = (f"INSERT INTO store_message ({_COLUMNS})", f"({', '.join('?' * (_COLUMNS.count(',') + 1))})")
_DELIVERY = (
    "INSERT INTO store_delivery (id, message_id, recipient, state, due_at, priority, turn_key, attempt_count, fence,"
    " uncertain_count, server_id, last_reply, cause, updated_at)",
    "(?, ?, ?, 'queued', ?, ?, ?, 0, 0, 0, ?, '', '', ?)",
)
_KEY = (
    "INSERT INTO store_idempotencykey (scope, key, request_digest, message_id, created_at)", "(?, ?, ?, ?, ?)"
)
_EARLIER = (
    "SELECT k.scope, k.key, k.request_digest, k.message_id FROM json_each(?) asked CROSS JOIN store_idempotencykey k"
    " WHERE k.scope = json_extract(asked.value, '$[0]') AND k.key = json_extract(asked.value, '$[1]')"
)


def enqueue(connection: sqlite3.Connection, messages: Sequence[NewMessage]) -> list[Enqueued | IdempotencyConflict]:
    """For each message what was stored, or what its idempotency key was answered before.

    Raises sqlite3.IntegrityError, at the commit at the latest, where a client or a server is gone."""
    known = _earlier(connection, messages)
    fresh: list[NewMessage] = []
    answers: list[tuple[NewMessage, tuple[str, Enqueued] | None]] = []
    stored: dict[str, Enqueued] = {}
    for new in messages:
        answer = None if new.idempotency_key is None else known.get((new.idempotency_scope, new.idempotency_key))
        answers.append((new, answer))
        if answer is None:
            stored[new.id] = Enqueued(new.id, tuple([(new_id(), recipient) for recipient in new.recipients]))
            fresh.append(new)
            if new.idempotency_key is not None:
                known[new.idempotency_scope, new.idempotency_key] = (new.request_digest, stored[new.id])
    if fresh:
        _store(connection, fresh, stored)
    return [stored[new.id] if answer is None else _replayed(new, *answer) for new, answer in answers]


def enqueue_list(
    connection: sqlite3.Connection, messages: Sequence[NewMessage]
) -> list[Enqueued | IdempotencyConflict]:
    """All of the list, or nothing where one is a conflict; a client or server deleted meanwhile becomes NULL."""
    return enqueue_lists(enqueue, connection, [[_without_the_gone(connection, new) for new in messages]])[0]


def enqueue_one(connection: sqlite3.Connection, new: NewMessage) -> Enqueued:
    """As `enqueue`; a client or server deleted meanwhile becomes NULL. Raises IdempotencyConflict."""
    (found,) = enqueue_list(connection, [new])
    if isinstance(found, IdempotencyConflict):
        raise found
    return found


def _store(connection: sqlite3.Connection, messages: list[NewMessage], stored: dict[str, Enqueued]) -> None:
    contents = _put_contents(connection, [new.content for new in messages])
    rows: list[tuple[Any, ...]] = []
    deliveries: list[tuple[Any, ...]] = []
    keys: list[tuple[Any, ...]] = []
    for new, content_id in zip(messages, contents, strict=True):
        created_at = text_of(new.created_at)
        send_at = None if new.send_at is None else text_of(new.send_at)
        due_at = created_at if send_at is None else max(send_at, created_at)
        rows.append((
            new.id, new.client_id, new.client_name, new.server_id, int(new.pinned), new.message_id, new.reverse_path,
            new.from_header, new.subject, new.purpose, new.priority, new.content.digest, new.content.size_bytes,
            content_id, new.list_name, int(new.needs_8bit), int(new.needs_smtputf8), _json(new.attachments),
            _json(new.tags), _json(new.metadata), created_at, send_at, text_of(new.expires_at),
        ))
        deliveries += [
            (id_, new.id, recipient, due_at, new.priority, new.turn_key, new.server_id, created_at)
            for id_, recipient in stored[new.id].deliveries
        ]
        if new.idempotency_key is not None:
            keys.append((new.idempotency_scope, new.idempotency_key, new.request_digest, new.id, created_at))
    insert(connection, *_MESSAGE, rows)
    insert(connection, *_DELIVERY, deliveries)
    insert(connection, *_KEY, keys)


def _put_contents(connection: sqlite3.Connection, contents: Sequence[FrozenContent]) -> list[int | None]:
    """The row of each content, None for one that is a file."""
    rows = [
        (None if content.layout is None else json.dumps(content.layout), content.inline_octets)
        for content in contents if not content.is_one_file
    ]
    # Numbers are given in order, and nobody else writes meanwhile.
    last = insert(connection, *_CONTENT, rows)
    numbers = iter(range(last - len(rows) + 1, last + 1))
    return [None if content.is_one_file else next(numbers) for content in contents]


def _json(value: Any) -> str:
    return json.dumps(value) if value else "{}" if isinstance(value, dict) else "[]"


def _earlier(connection: sqlite3.Connection, messages: Sequence[NewMessage]) -> dict[Key, tuple[str, Enqueued]]:
    """What keys of these messages were answered before: the digest of the request, and the answer."""
    keys = [(new.idempotency_scope, new.idempotency_key) for new in messages if new.idempotency_key is not None]
    if not keys:
        return {}
    rows = connection.execute(_EARLIER, (json.dumps(keys),)).fetchall()
    return {(scope, key): (digest, _enqueued(connection, id_)) for scope, key, digest, id_ in rows}


def _enqueued(connection: sqlite3.Connection, message_id: str) -> Enqueued:
    deliveries = connection.execute(
        "SELECT id, recipient FROM store_delivery WHERE message_id = ? ORDER BY rowid", (message_id,)
    )
    return Enqueued(message_id, tuple(deliveries.fetchall()))


def _replayed(new: NewMessage, digest: str, earlier: Enqueued) -> Enqueued | IdempotencyConflict:
    if digest != new.request_digest:
        return IdempotencyConflict("this Idempotency-Key was used with another request")
    return Enqueued(earlier.id, earlier.deliveries, replayed=True)


def _without_the_gone(connection: sqlite3.Connection, new: NewMessage) -> NewMessage:
    return replace(
        new, client_id=_there(connection, "store_apitoken", new.client_id),
        server_id=_there(connection, "store_smtpserver", new.server_id),
    )


def _there(connection: sqlite3.Connection, table: str, id_: str | None) -> str | None:
    found = connection.execute(f"SELECT id FROM {table} WHERE id = ?", (id_,)).fetchone()
    return None if found is None else id_
