"""An outbox of its own for a test: the migrated schema in a fresh file, and rows to begin with."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings

from postroom.store.blobs import Blobs
from postroom.store.content import Contents, one_file
from postroom.store.ids import new_id
from postroom.store.models import Message
from postroom.store.queue import Enqueued, NewMessage, Queue
from postroom.store.times_sqlite import text_of
from postroom.store.writer_sqlite import connect
from postroom.terms.server import ServerSettings

# A file of SQLite, or how psycopg reaches a database.
Database = Path | str
NOW = datetime(2026, 11, 22, 9, 30, 0, 250_000, tzinfo=UTC)


def copy_schema(path: Path) -> Path:
    """Copy the migrated, empty test database to `path`."""
    source, target = sqlite3.connect(settings.DATABASES["default"]["NAME"]), sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()
    connect(path).close()
    return path


def add_server(database: Database, server: ServerSettings | None = None, **columns: Any) -> str:
    """Insert a server that may be used unverified; its id."""
    server = server or ServerSettings(name="Relay", host="127.0.0.1", port=2525)
    row = {
        "id": new_id(), "name": server.name, "settings": json.dumps(server.as_json()), "sealed_password": "",
        "secret_id": "", "position": 0, "is_default": True, "is_sandbox": False, "enabled": True,
        "use_unverified": True, "unverified_reason": "test", "verified_fingerprint": "", "verified_by": "",
        "created_at": "2026-11-22 09:00:00", "updated_at": "2026-11-22 09:00:00", **columns,
    }
    rows(
        database, f"INSERT INTO store_smtpserver ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *row.values()
    )
    return str(row["id"])


def new_message(server_id: str | None, *recipients: str, now: datetime = NOW, **values: Any) -> NewMessage:
    return NewMessage(
        **{
            "message_id": f"<{new_id()}@postroom.example>", "reverse_path": "reports@example.com",
            "from_header": "Reports <reports@example.com>", "recipients": recipients or ("ann@example.org",),
            "content": one_file("0" * 64, 5), "created_at": now, "expires_at": now + timedelta(days=2),
            "server_id": server_id, "subject": "Monday's numbers", **values,
        }
    )


async def enqueued(queue: Queue, new: NewMessage) -> Enqueued:
    """As `queue.enqueue`, for whoever has no loop."""
    return await queue.enqueue(new)


def octets_of(message: Message, blobs: Path) -> bytes:
    """What was accepted; `blobs` is the folder of the contents. Raises DamagedBlob."""
    content = Contents(Blobs(blobs)).open(message.frozen_content, message.content_digest, message.content_size)
    return b"".join(content.chunks())


def rows(database: Database, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """What a statement finds, or nothing of one that writes. Times are texts as SQLite has them."""
    if isinstance(database, Path):
        connection = connect(database)
        found = connection.execute(statement, parameters).fetchall()
        connection.close()
        return found
    with psycopg.connect(database, autocommit=True) as server:
        done = server.execute(statement.replace("?", "%s"), parameters or None)
        return [tuple(map(_as_on_sqlite, row)) for row in done.fetchall()] if done.description else []


def _as_on_sqlite(value: Any) -> Any:
    return text_of(value) if isinstance(value, datetime) else value
