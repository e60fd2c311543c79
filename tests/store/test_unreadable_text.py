"""D9 on SQLite: a text that can't be decoded stops no other row, in whatever column it stands.

PostgreSQL takes no such text."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.outbox import NOW, add_server, new_message, rows

from postroom.flow.delivery.settle import NOBODY, Settler
from postroom.store.activity_log import ActivityLog
from postroom.store.queue import Queue
from postroom.store.queue_sqlite import SqliteQueue
from postroom.store.writer_sqlite import GroupWriter, connect

LATER = NOW + timedelta(days=3)
OF_WAITING = [
    *(("message", column) for column in (
        "id", "message_id", "reverse_path", "from_header", "subject", "purpose", "content_digest", "created_at",
        "expires_at",
    )),
    *(("delivery", column) for column in (
        "id", "message_id", "recipient", "server_id", "due_at", "last_reply", "cause", "updated_at",
    )),
]
OF_SENDING = [
    *OF_WAITING, ("delivery", "lease_until"),
    *(("attempt", column) for column in ("id", "delivery_id", "server_name", "started_at", "outcome", "stage")),
]


@pytest.fixture
def queue(writer: GroupWriter) -> Queue:
    return SqliteQueue(writer)


@pytest.fixture
def settler(queue: Queue, tmp_path: Path) -> Settler:
    return Settler(queue, ActivityLog(tmp_path / "logs"), now=lambda: LATER)


@pytest.fixture
def server_id(sqlite_database: Path) -> str:
    return add_server(sqlite_database)


def damage(database: Path, table: str, column: str) -> None:
    """As a disk does it: of the first row, and whatever refers to it."""
    connection = connect(database)
    connection.execute("PRAGMA foreign_keys = off")
    connection.execute(
        f"UPDATE store_{table} SET {column} = CAST(x'ff00fe' AS TEXT)"
        f" WHERE rowid = (SELECT min(rowid) FROM store_{table})"
    )
    connection.close()


@pytest.mark.parametrize("lease_over", [False, True])
@pytest.mark.parametrize(("table", "column"), OF_SENDING)
async def test_d9_what_an_engine_left_under_lease_is_taken_up_but_for_what_cannot_be_read(
    queue: Queue, settler: Settler, sqlite_database: Path, server_id: str, table: str, column: str, lease_over: bool
) -> None:
    for _ in range(3):
        await queue.enqueue(new_message(server_id, expires_at=LATER + timedelta(days=1)))
    await queue.claim(server_id, now=NOW, lease_until=NOW, limit=10)
    damage(sqlite_database, table, column)
    await settler.settle_abandoned(lambda _: NOBODY, lease_over=lease_over)
    states = [state for (state,) in rows(sqlite_database, "SELECT state FROM store_delivery ORDER BY rowid")]
    assert states[1:] == ["uncertain", "uncertain"]
    claims = await queue.claim(server_id, now=LATER, lease_until=LATER, limit=10)
    assert len(claims.claimed) >= 2, "the others are tried again"


@pytest.mark.parametrize(("table", "column"), [*OF_WAITING, ("delivery", "turn_key")])
async def test_d9_what_is_due_is_claimed_but_for_what_cannot_be_read(
    queue: Queue, sqlite_database: Path, server_id: str, table: str, column: str
) -> None:
    whole = [(await queue.enqueue(new_message(server_id))).id for _ in range(3)][1:]
    damage(sqlite_database, table, column)
    for _ in range(2):
        claims = await queue.claim(server_id, now=NOW, lease_until=LATER, limit=10)
        assert set(whole) <= {claimed.message.id for claimed in claims.claimed}
        await queue.release([claimed.lease for claimed in claims.claimed], NOW)


@pytest.mark.parametrize(("table", "column"), [*OF_WAITING, ("delivery", "turn_key")])
async def test_d9_what_has_expired_ends_but_for_what_cannot_be_read(
    queue: Queue, settler: Settler, sqlite_database: Path, server_id: str, table: str, column: str
) -> None:
    for _ in range(3):
        await queue.enqueue(new_message(server_id))
    damage(sqlite_database, table, column)
    await settler.settle_overdue(lambda _: NOBODY)
    states = [state for (state,) in rows(sqlite_database, "SELECT state FROM store_delivery ORDER BY rowid")]
    assert states[1:] == ["failed", "failed"]


@pytest.mark.parametrize(("purpose", "is_marked", "outcome"), [
    ("notification", False, "uncertain"), ("report", False, "failed"), ("report", True, "uncertain"),
])
@pytest.mark.parametrize(("table", "column"), [("message", "subject"), ("delivery", "recipient")])
async def test_u1_d9_what_cannot_be_read_is_held_and_counted_uncertain_where_it_may_have_left(
    queue: Queue, settler: Settler, sqlite_database: Path, server_id: str, table: str, column: str, purpose: str,
    is_marked: bool, outcome: str,
) -> None:
    await queue.enqueue(new_message(server_id, purpose=purpose))
    (claimed,) = (await queue.claim(server_id, now=NOW, lease_until=NOW, limit=10)).claimed
    await queue.mark_transacting([claimed.lease] if is_marked else [])
    damage(sqlite_database, table, column)
    await settler.settle_abandoned(lambda _: NOBODY, lease_over=True)
    assert rows(sqlite_database, "SELECT state, cause, uncertain_count FROM store_delivery") == [
        ("held", "message-row-damaged", int(outcome == "uncertain"))
    ]
    assert rows(sqlite_database, "SELECT outcome, cause FROM store_attempt") == [(outcome, "message-row-damaged")]
