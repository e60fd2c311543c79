"""The submission door as a process of its own, on a data directory with one server and one token."""

import contextlib
import hashlib
import os
import secrets
import signal
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.outbox import add_server, copy_schema, rows
from tests.rig.installation import Installation
from tests.rig.programs import free_port

from postroom.store.ids import new_id
from postroom.terms.server import Security, ServerSettings

RELAY = ServerSettings(
    name="Relay", from_name="Reports", from_address="reports@company.example", host="127.0.0.1", port=2525,
    security=Security.NONE,
)


class Submission:
    """A running `postroom serve submission`. `port` offers STARTTLS, `tls_port` is TLS from the first octet."""

    def __init__(self, data: Path, port: int, tls_port: int, token: str, process_id: int) -> None:
        self.data, self.port, self.tls_port, self.token = data, port, tls_port, token
        self.process_id = process_id

    @property
    def database(self) -> Path:
        return self.data / "postroom.sqlite3"

    def client(self, **options: Any) -> smtplib.SMTP:
        """A client that has said hello."""
        client = smtplib.SMTP("127.0.0.1", self.port, timeout=30, **options)
        client.ehlo("client.example")
        return client

    def signed_in(self) -> smtplib.SMTP:
        client = self.client()
        client.starttls(context=trusting())
        client.login("report server", self.token)
        return client

    def messages(self, columns: str = "id, subject") -> list[tuple[Any, ...]]:
        return rows(self.database, f"SELECT {columns} FROM store_message ORDER BY id")

    def recipients(self) -> list[str]:
        return [row[0] for row in rows(self.database, "SELECT recipient FROM store_delivery ORDER BY id")]

    def last_content(self) -> bytes:
        """The newest message as it will leave."""
        from postroom.store.blobs import Blobs
        from postroom.store.content import Contents, content_of_row

        [row] = rows(
            self.database, "SELECT c.octets, c.layout, m.content_digest, m.content_size FROM store_message m"
            " JOIN store_content c ON c.id = m.content_id ORDER BY m.id DESC LIMIT 1"
        )
        content = Contents(Blobs(self.data / "blobs")).open(content_of_row(row[0], row[1]), row[2], row[3])
        return b"".join(content.chunks())


def trusting() -> ssl.SSLContext:
    """Takes any certificate: the door's own is signed by itself."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def add_token(database: Path, name: str, scope: str = "send") -> str:
    """A new token's text."""
    plain = f"pr_{secrets.token_urlsafe(32)}"
    rows(
        database, "INSERT INTO store_apitoken (id, name, scope, digest, created_at, created_by)"
        " VALUES (?, ?, ?, ?, '2026-11-22 09:00:00', 'test')",
        new_id(), name, scope, hashlib.sha256(plain.encode()).hexdigest(),
    )
    return plain


@contextlib.contextmanager
def serving(data: Path, **environment: str) -> Iterator[Submission]:
    """The door over a copy of the migrated test database."""
    data.mkdir(mode=0o700, exist_ok=True)
    database = copy_schema(data / "postroom.sqlite3")
    add_server(database, RELAY)
    with reopened(data, add_token(database, "Report server"), **environment) as door:
        yield door


@contextlib.contextmanager
def reopened(data: Path, token: str, **environment: str) -> Iterator[Submission]:
    """The door over a data directory that is there."""
    port, tls_port = free_port(), free_port()
    installation = Installation(data, POSTROOM_SUBMISSION=f"127.0.0.1:{port},127.0.0.1:{tls_port}/tls", **environment)
    ready_read, ready_write = os.pipe()
    with (data / "submission.log").open("ab") as log:
        process = subprocess.Popen(
            installation.arguments("serve", "submission", "--ready-fd", str(ready_write)),
            env=installation.environment, pass_fds=[ready_write], stdout=log, stderr=log,
        )
    os.close(ready_write)
    try:
        assert os.read(ready_read, 16) == b"ready\n", (data / "submission.log").read_text()
        yield Submission(data, port, tls_port, token, process.pid)
    finally:
        os.close(ready_read)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
