"""A fresh outbox for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.outbox import add_server, copy_schema

from postroom.store.queue_sqlite import SqliteQueue
from postroom.store.writer import GroupWriter


@pytest.fixture
def database(tmp_path: Path, db: None) -> Path:  # noqa: ARG001  it makes the schema
    return copy_schema(tmp_path / "postroom.sqlite3")


@pytest.fixture
def writer(database: Path) -> Iterator[GroupWriter]:
    writer = GroupWriter(database, lock_wait_s=1.0)
    yield writer
    writer.close()


@pytest.fixture
def queue(writer: GroupWriter) -> SqliteQueue:
    return SqliteQueue(writer)


@pytest.fixture
def server_id(database: Path) -> str:
    return add_server(database)
