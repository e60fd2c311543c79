"""A fresh outbox for each test; what is asked of a queue is asked of both, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.outbox import Database, add_server, copy_schema, rows

from postroom.policy.database_url import DatabaseUrl
from postroom.store.database import conninfo_of
from postroom.store.outbox import SqliteOutbox
from postroom.store.outbox_postgres import PostgresOutbox
from postroom.store.queue import Queue
from postroom.store.writer_sqlite import GroupWriter

TABLES = (
    "suppression", "attempt", "delivery", "idempotencykey", "message", "content", "deliverytally", "sendrate",
    "smtpserver", "apitoken",
)


@pytest.fixture
def sqlite_database(tmp_path: Path, db: None) -> Path:  # noqa: ARG001  it makes the schema
    return copy_schema(tmp_path / "postroom.sqlite3")


@pytest.fixture
def postgresql_database(postgresql_url: str) -> str:
    """How psycopg reaches a database without rows."""
    conninfo = conninfo_of(DatabaseUrl.parse(postgresql_url))
    rows(conninfo, "; ".join(f"DELETE FROM store_{table}" for table in TABLES))
    return conninfo


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each in turn."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
def writer(sqlite_database: Path) -> Iterator[GroupWriter]:
    writer = GroupWriter(sqlite_database, lock_wait_s=1.0)
    yield writer
    writer.close()


@pytest.fixture
def queue(database: Database) -> Iterator[Queue]:
    outbox = SqliteOutbox(database) if isinstance(database, Path) else PostgresOutbox(database, "host/1")
    yield outbox.queue
    outbox.close()


@pytest.fixture
def server_id(database: Database) -> str:
    return add_server(database)
