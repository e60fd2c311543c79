"""Enqueuing on PostgreSQL: messages, contents, deliveries and idempotency keys of a whole group by a statement each."""

import json
from collections.abc import Sequence
from typing import Any

from .content import FrozenContent
from .ids import new_id
from .postgresql.texts import json_text, without_nul
from .queue import Enqueued, IdempotencyConflict, NewMessage
from .writer_postgres import Connection

Key = tuple[str, str]

_KEYS = (
    "INSERT INTO store_idempotencykey (scope, key, request_digest, message_id, created_at)"
    " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])"
    " ON CONFLICT (scope, key) DO NOTHING RETURNING scope, key"
)
_EARLIER = (
    "SELECT k.scope, k.key, k.request_digest, k.message_id, array_agg(d.id ORDER BY d.id),"
    " array_agg(d.recipient ORDER BY d.id) FROM unnest(%s::text[], %s::text[]) AS asked(scope, key)"
    " JOIN store_idempotencykey k ON k.scope = asked.scope AND k.key = asked.key"
    " JOIN store_delivery d ON d.message_id = k.message_id GROUP BY 1, 2, 3, 4"
)
_CONTENTS = (
    "INSERT INTO store_content (id, octets, layout)"
    " SELECT id, octets, layout::jsonb FROM unnest(%b::bigint[], %b::bytea[], %s::text[]) AS given(id, octets, layout)"
)
# Columns of `Message` in the order of `_row`, with their types.
_COLUMNS = (
    ("id", "text"), ("client_id", "text"), ("client_name", "text"), ("server_id", "text"), ("pinned", "boolean"),
    ("message_id", "text"), ("reverse_path", "text"), ("from_header", "text"), ("subject", "text"),
    ("purpose", "text"), ("priority", "smallint"), ("content_digest", "text"), ("content_size", "bigint"),
    ("needs_8bit", "boolean"), ("needs_smtputf8", "boolean"), ("attachments", "jsonb"), ("tags", "jsonb"),
    ("metadata", "jsonb"), ("created_at", "timestamptz"), ("send_at", "timestamptz"), ("expires_at", "timestamptz"),
    ("content_id", "bigint"), ("list_name", "text"),
)
_NAMES = ", ".join(name for name, _ in _COLUMNS)
# A client or server deleted meanwhile becomes NULL: a broken reference would fail the whole group's commit.
_KNOWN = {
    "client_id": "(SELECT id FROM store_apitoken WHERE id = given.client_id)",
    "server_id": "(SELECT id FROM store_smtpserver WHERE id = given.server_id)",
}
_MESSAGES = (
    f"INSERT INTO store_message ({_NAMES}) SELECT"
    f" {', '.join(_KNOWN.get(name, f'{name}::jsonb' if kind == 'jsonb' else name) for name, kind in _COLUMNS)}"
    f" FROM unnest({', '.join(f'%s::{kind}[]' if kind != 'jsonb' else '%s::text[]' for _, kind in _COLUMNS)})"
    f" AS given({_NAMES})"
)
_DELIVERIES = (
    "INSERT INTO store_delivery (id, message_id, recipient, state, due_at, priority, attempt_count, fence,"
    " uncertain_count, server_id, last_reply, cause, turn_key, updated_at)"
    " SELECT given.id, m.id, given.recipient, 'queued', GREATEST(m.send_at, m.created_at), m.priority, 0, 0, 0,"
    " m.server_id, '', '', given.turn_key, m.created_at"
    " FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS given(id, message, recipient, turn_key)"
    " JOIN store_message m ON m.id = given.message"
)


def enqueue(connection: Connection, messages: list[NewMessage]) -> Sequence[Enqueued | IdempotencyConflict]:
    """For each message what was stored, or what its idempotency key was answered before."""
    fresh = _fresh(connection, messages)
    stored = {new.id: Enqueued(new.id, tuple((new_id(), recipient) for recipient in new.recipients)) for new in fresh}
    if fresh:
        _store(connection, fresh, stored)
    known = {_key_of(new): (new.request_digest, stored[new.id]) for new in fresh if new.idempotency_key is not None}
    asked = {_key_of(new) for new in messages if new.id not in stored} - known.keys()
    answers = known | (_earlier(connection, sorted(asked)) if asked else {})
    return [stored.get(new.id) or _replayed(new, *answers[_key_of(new)]) for new in messages]


def _fresh(connection: Connection, messages: list[NewMessage]) -> list[NewMessage]:
    """Those that are stored now: without a key, or the first ever with theirs. Keys are taken in order, so that two
    groups with the same ones do not wait for each other."""
    keyed: dict[Key, NewMessage] = {}
    for new in messages:
        if new.idempotency_key is not None:
            keyed.setdefault(_key_of(new), new)
    taken: set[Key] = set()
    if keyed:
        firsts = [keyed[key] for key in sorted(keyed)]
        rows = connection.execute(_KEYS, (
            [_key_of(new)[0] for new in firsts], [_key_of(new)[1] for new in firsts],
            [new.request_digest for new in firsts], [new.id for new in firsts], [new.created_at for new in firsts],
        ))
        taken = {(scope, key) for scope, key in rows.fetchall()}
    won = {keyed[key].id for key in taken}
    return [new for new in messages if new.idempotency_key is None or new.id in won]


def _key_of(new: NewMessage) -> Key:
    return new.idempotency_scope, str(without_nul(new.idempotency_key))


def _earlier(connection: Connection, keys: list[Key]) -> dict[Key, tuple[str, Enqueued]]:
    rows = connection.execute(_EARLIER, ([scope for scope, _ in keys], [key for _, key in keys])).fetchall()
    return {
        (scope, key): (digest, Enqueued(id_, tuple(zip(deliveries, recipients, strict=True))))
        for scope, key, digest, id_, deliveries, recipients in rows
    }


def _replayed(new: NewMessage, digest: str, earlier: Enqueued) -> Enqueued | IdempotencyConflict:
    if digest != new.request_digest:
        return IdempotencyConflict("this Idempotency-Key was used with another request")
    return Enqueued(earlier.id, earlier.deliveries, replayed=True)


def _store(connection: Connection, messages: list[NewMessage], stored: dict[str, Enqueued]) -> None:
    contents = _put_contents(connection, [new.content for new in messages])
    rows = [_row(new, content_id) for new, content_id in zip(messages, contents, strict=True)]
    connection.execute(_MESSAGES, [list(column) for column in zip(*rows, strict=True)])
    deliveries = [
        (id_, new.id, recipient, without_nul(new.turn_key))
        for new in messages for id_, recipient in stored[new.id].deliveries
    ]
    if deliveries:
        connection.execute(_DELIVERIES, [list(column) for column in zip(*deliveries, strict=True)])


def _put_contents(connection: Connection, contents: list[FrozenContent]) -> list[int | None]:
    """The row of each content, None for one that is a file."""
    inline = [content for content in contents if not content.is_one_file]
    if not inline:
        return [None] * len(contents)
    ids = [row[0] for row in connection.execute(
        "SELECT nextval(pg_get_serial_sequence('store_content', 'id')) FROM generate_series(1, %s)", (len(inline),)
    )]
    layouts = [None if content.layout is None else json.dumps(content.layout) for content in inline]
    connection.execute(_CONTENTS, (ids, [content.inline_octets for content in inline], layouts))
    remaining = iter(ids)
    return [None if content.is_one_file else next(remaining) for content in contents]


def _row(new: NewMessage, content_id: int | None) -> tuple[Any, ...]:
    return (
        new.id, new.client_id, without_nul(new.client_name), new.server_id, new.pinned, without_nul(new.message_id),
        new.reverse_path, without_nul(new.from_header), without_nul(new.subject), new.purpose, new.priority,
        new.content.digest, new.content.size_bytes, new.needs_8bit, new.needs_smtputf8, json_text(new.attachments),
        json_text(new.tags), json_text(new.metadata), new.created_at, new.send_at, new.expires_at, content_id,
        new.list_name,
    )
