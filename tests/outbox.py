"""An outbox of its own for a test: the migrated schema in a fresh file, and rows to begin with."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from postroom.store.blobs import Blobs
from postroom.store.content import Contents, one_file
from postroom.store.ids import new_id
from postroom.store.models import Message
from postroom.store.queue import NewMessage
from postroom.store.writer import connect
from postroom.terms.server import ServerSettings

NOW = datetime(2026, 11, 22, 9, 30, 0, 250_000, tzinfo=UTC)


def copy_schema(path: Path) -> Path:
    """Copy the migrated, empty test database to `path`."""
    source, target = sqlite3.connect(settings.DATABASES["default"]["NAME"]), sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()
    connect(path).close()
    return path


def add_server(database: Path, server: ServerSettings | None = None, **columns: Any) -> str:
    """Insert a server that may be used unverified; its id."""
    server = server or ServerSettings(name="Relay", host="127.0.0.1", port=2525)
    row = {
        "id": new_id(), "name": server.name, "settings": json.dumps(server.as_json()), "sealed_password": "",
        "secret_id": "", "position": 0, "is_default": True, "is_sandbox": False, "enabled": True,
        "use_unverified": True, "unverified_reason": "test", "verified_fingerprint": "", "verified_by": "",
        "created_at": "2026-11-22 09:00:00", "updated_at": "2026-11-22 09:00:00", **columns,
    }
    connection = connect(database)
    connection.execute(
        f"INSERT INTO store_smtpserver ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values())
    )
    connection.close()
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


def octets_of(message: Message, blobs: Path) -> bytes:
    """What was accepted; `blobs` is the folder of the contents. Raises DamagedBlob."""
    content = Contents(Blobs(blobs)).open(message.frozen_content, message.content_digest, message.content_size)
    return b"".join(content.chunks())


def rows(database: Path, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(database)
    found = connection.execute(statement, parameters).fetchall()
    connection.close()
    return found
