"""Group commit: together for speed, each unit for itself when it fails, nobody told of success too early."""

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from tests.outbox import rows

from postroom.store.write_lock import WriteLock
from postroom.store.writer import StorageBusy, StorageUnknown
from postroom.store.writer_sqlite import GroupWriter, connect


@pytest.fixture
def database(sqlite_database: Path) -> Path:
    return sqlite_database


def insert(name: str):
    def work(connection: sqlite3.Connection) -> str:
        connection.execute(
            "INSERT INTO store_instancevalue (name, value, updated_at) VALUES (?, '1', '2026-11-22 09:00:00')", (name,)
        )
        return name

    return work


def names(database: Path) -> list[str]:
    return [row[0] for row in rows(database, "SELECT name FROM store_instancevalue ORDER BY name")]


def test_a_result_is_known_only_when_it_is_stored(writer: GroupWriter, database: Path) -> None:
    assert writer.submit(insert("a")).result(5) == "a"
    assert names(database) == ["a"]


def test_what_gathers_while_a_commit_runs_is_one_transaction(writer: GroupWriter, database: Path) -> None:
    entered, go = threading.Event(), threading.Event()
    changes: list[int] = []

    def slow(_: sqlite3.Connection) -> None:
        entered.set()
        assert go.wait(5)

    first = writer.submit(slow)
    assert entered.wait(5)
    seen: list[int] = []

    def count(connection: sqlite3.Connection) -> None:
        seen.append(len(names(database)))
        changes.append(connection.execute("SELECT count(*) FROM store_instancevalue").fetchone()[0])

    futures = [writer.submit(insert("a")), writer.submit(count), writer.submit(insert("b")), writer.submit(count)]
    go.set()
    for future in (first, *futures):
        future.result(5)
    assert changes == [1, 2]
    assert seen == [0, 0]


def test_a_unit_that_raises_undoes_only_itself(writer: GroupWriter, database: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        insert("half")(connection)
        raise KeyError("stop")

    failing, whole, twice = writer.submit(half), writer.submit(insert("whole")), writer.submit(insert("whole"))
    with pytest.raises(KeyError):
        failing.result(5)
    whole.result(5)
    with pytest.raises(sqlite3.IntegrityError):
        twice.result(5)
    assert names(database) == ["whole"]


def test_a_failed_commit_is_unknown_for_everybody_in_it_and_the_next_group_reads_again(
    writer: GroupWriter, database: Path
) -> None:
    entered, go = threading.Event(), threading.Event()

    def slow(_: sqlite3.Connection) -> None:
        entered.set()
        assert go.wait(5)

    def break_commit(connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO store_idempotencykey (scope, key, request_digest, message_id, created_at)"
            " VALUES ('s', 'k', 'd', 'nobody', '2026-11-22 09:00:00')"
        )

    slow_one = writer.submit(slow)
    assert entered.wait(5)
    futures = [writer.submit(insert("a")), writer.submit(break_commit)]
    go.set()
    slow_one.result(5)
    for future in futures:
        with pytest.raises(StorageUnknown):
            future.result(5)
    assert names(database) == []
    assert writer.submit(insert("b")).result(5) == "b"
    assert names(database) == ["b"]


def test_a_database_locked_by_another_process_is_busy_and_nothing_is_written(
    writer: GroupWriter, database: Path
) -> None:
    lock = WriteLock(database)
    lock.acquire()
    try:
        with pytest.raises(StorageBusy):
            writer.submit(insert("a")).result(5)
    finally:
        lock.release()
    assert names(database) == []
    assert writer.submit(insert("b")).result(5) == "b"


def test_closing_finishes_what_was_submitted_and_refuses_the_rest(database: Path) -> None:
    writer = GroupWriter(database)
    futures = [writer.submit(insert(f"n{i:03}")) for i in range(200)]
    writer.close()
    assert [f.result(0) for f in futures] == names(database)
    with pytest.raises(StorageBusy):
        writer.submit(insert("late"))


class Groups:
    """A gathering that counts groups."""

    def __init__(self) -> None:
        self.count = 0

    def begin(self) -> None:
        self.count += 1

    def finish(self, _: sqlite3.Connection) -> None:
        return


def test_a_writer_that_had_to_wait_for_another_one_gathers_before_its_next_group(database: Path) -> None:
    writer, lock, groups = GroupWriter(database, rest_s=1.0), WriteLock(database), Groups()
    writer.gather(groups)
    lock.acquire()
    first = writer.submit(insert("a"))
    time.sleep(0.05)
    lock.release()
    first.result(5)
    second = writer.submit(insert("b"))
    time.sleep(0.05)
    third = writer.submit(insert("c"))
    assert (second.result(5), third.result(5)) == ("b", "c")
    assert groups.count == 2
    writer.close()


def test_a_writer_that_nobody_else_held_up_never_rests(database: Path) -> None:
    writer = GroupWriter(database, rest_s=60.0)
    for name in ("a", "b", "c"):
        assert writer.submit(insert(name)).result(5) == name
    writer.close()


def test_every_commit_is_synced(database: Path) -> None:
    connection = connect(database)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()


class Broken:
    """A gathering that can't be written."""

    def begin(self) -> None:
        return

    def finish(self, _: sqlite3.Connection) -> None:
        raise ValueError("no such month")


def test_what_is_at_fault_ourselves_is_told_and_the_writer_goes_on(writer: GroupWriter, database: Path) -> None:
    broken = Broken()
    writer.gather(broken)
    with pytest.raises(ValueError, match="no such month"):
        writer.submit(insert("a")).result(5)
    broken.finish = lambda _: None  # type: ignore[method-assign]
    assert writer.submit(insert("b")).result(5) == "b"
    assert names(database) == ["b"]
