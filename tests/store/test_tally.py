"""Counts are made in the commit that settles, and say what the attempts say."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.outbox import NOW, new_message, rows

from postroom.store.models import DeliveryTally
from postroom.store.queue import Claimed, Settlement
from postroom.store.queue_sqlite import SqliteQueue
from postroom.store.tallied import causes_since, counts, forget_old, sent_since, totals
from postroom.store.tally import COARSE_S, FINE_S, Ending, Tally, ending_of
from postroom.store.writer import StorageUnknown
from postroom.store.writer_sqlite import GroupWriter
from postroom.terms.outcome import DeliveryState, Outcome, Stage


@pytest.fixture
def database(sqlite_database: Path) -> Path:
    return sqlite_database

CELLS = "SELECT width_s, starts_at, server_id, outcome, cause, attempts FROM store_deliverytally ORDER BY 1, 2, 4"


async def claimed(queue: SqliteQueue, server_id: str, number: int) -> Sequence[Claimed]:
    for _ in range(number):
        await queue.enqueue(new_message(server_id))
    return (await queue.claim(server_id, now=NOW, lease_until=NOW + timedelta(seconds=60), limit=number)).claimed


def sent(one: Claimed, at: datetime = NOW) -> Settlement:
    return Settlement(
        one.lease, DeliveryState.SENT, at, outcome=Outcome.SENT, stage=Stage.MESSAGE, through=one.server_id
    )


async def test_an_attempt_is_counted_in_its_five_minutes_and_in_its_hour(
    queue: SqliteQueue, server_id: str, database: Path
) -> None:
    first, second, third = await claimed(queue, server_id, 3)
    await queue.settle([sent(first), sent(second, NOW + timedelta(minutes=5)), sent(third)])
    assert rows(database, CELLS) == [
        (FINE_S, "2026-11-22 09:30:00", server_id, "sent", "", 2),
        (FINE_S, "2026-11-22 09:35:00", server_id, "sent", "", 1),
        (COARSE_S, "2026-11-22 09:00:00", server_id, "sent", "", 3),
    ]


async def test_counts_grow_from_commit_to_commit(queue: SqliteQueue, server_id: str, database: Path) -> None:
    for one in await claimed(queue, server_id, 3):
        await queue.settle([sent(one)])
    assert [row[-1] for row in rows(database, CELLS)] == [3, 3]


async def test_a_settlement_that_came_too_late_is_not_counted(
    queue: SqliteQueue, server_id: str, database: Path
) -> None:
    (one,) = await claimed(queue, server_id, 1)
    late = replace(sent(one), lease=replace(one.lease, fence=one.lease.fence - 1))
    assert await queue.settle([late]) == [False]
    assert rows(database, CELLS) == []


async def test_what_was_not_committed_is_not_counted_with_the_next_commit(
    queue: SqliteQueue, server_id: str, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await claimed(queue, server_id, 1)
    with monkeypatch.context() as patched:
        patched.setattr(Tally, "finish", _disk_error)
        with pytest.raises(StorageUnknown):
            await queue.settle([sent(one)])
    assert rows(database, CELLS) == []
    await queue.settle([sent(one)])
    assert [row[-1] for row in rows(database, CELLS)] == [1, 1]


def _disk_error(_tally: Tally, _connection: object) -> None:
    raise OSError("disk I/O error")


async def test_a_delivery_given_up_without_an_attempt_is_counted_as_failed_over_no_server(
    queue: SqliteQueue, server_id: str, database: Path
) -> None:
    await queue.enqueue(new_message(server_id, expires_at=NOW - timedelta(seconds=1)))
    (overdue,) = await queue.overdue(NOW, 10)
    await queue.expire([Settlement(overdue.lease, DeliveryState.FAILED, NOW, cause="queue-expired")])
    assert [row[2:] for row in rows(database, CELLS)] == [("", "failed", "queue-expired", 1)] * 2


@pytest.mark.parametrize(
    ("outcome", "state", "stage", "moved", "ending"),
    [
        ("sent", "sent", "message", False, Ending.SENT),
        ("deferred", "deferred", "recipient", False, Ending.DEFERRED),
        ("deferred", "deferred", "connect", False, Ending.FAULT),
        ("deferred", "deferred", "sender", True, Ending.FAULT),
        ("failed", "failed", "recipient", False, Ending.FAILED),
        ("failed", "held", "", False, Ending.HELD),
        ("failed", "deferred", "sender", False, Ending.DEFERRED),
        ("uncertain", "held", "message", False, Ending.UNCERTAIN),
        ("", "failed", "", False, Ending.FAILED),
    ],
)
def test_an_attempt_counts_by_what_it_says_of_message_and_server(
    outcome: str, state: str, stage: str, moved: bool, ending: Ending
) -> None:
    assert ending_of(outcome, state, stage, moved=moved) == ending


async def test_counting_again_from_the_attempts_comes_to_the_same(
    queue: SqliteQueue, server_id: str, database: Path, writer: GroupWriter
) -> None:
    """As the migration does for attempts that ended before there was a tally."""
    now = datetime.now(UTC).replace(microsecond=0)
    first, second, third, fourth = await claimed(queue, server_id, 4)
    await queue.settle([
        sent(first, now),
        Settlement(
            second.lease, DeliveryState.DEFERRED, now, now, outcome=Outcome.DEFERRED, stage=Stage.CONNECT,
            cause="connection-refused", through=server_id,
        ),
        Settlement(
            third.lease, DeliveryState.FAILED, now - timedelta(days=20), outcome=Outcome.FAILED, stage=Stage.RECIPIENT,
            cause="recipient-unknown", through=server_id,
        ),
        Settlement(fourth.lease, DeliveryState.HELD, now, outcome=Outcome.FAILED, cause="content-damaged",
                   through=server_id),
    ])
    counted = [row for row in rows(database, CELLS) if not (row[0] == FINE_S and row[3] == "failed")]
    statement = import_module("postroom.store.migrations.0005_overview").count_statement("sqlite")
    writer.submit(lambda c: (c.execute("DELETE FROM store_deliverytally"), c.execute(statement))[1].rowcount).result(5)
    assert rows(database, CELLS) == counted


def cell(width_s: int, starts_at: datetime, ending: str, attempts: int, **values: Any) -> None:
    DeliveryTally.objects.create(
        **{"width_s": width_s, "starts_at": starts_at, "outcome": ending, "attempts": attempts, "server_id": "A",
           "cause": "", **values}
    )


@pytest.fixture
def now(db: None) -> datetime:  # noqa: ARG001  the ORM writes here
    return datetime.now(UTC).replace(minute=30, second=0, microsecond=0)


def test_counts_go_by_stretch_and_server(now: datetime) -> None:
    for minutes, server in ((0, "A"), (20, "A"), (25, "B"), (30, "A")):
        cell(FINE_S, now - timedelta(hours=2) + timedelta(minutes=minutes), "sent", 1, server_id=server)
    bounds = [now - timedelta(hours=2) + n * timedelta(minutes=30) for n in range(3)]
    found = {(c.stretch, c.server_id): c.attempts for c in counts(bounds)}
    assert found == {(0, "A"): 2, (0, "B"): 1, (1, "A"): 1}


def test_what_lies_further_back_than_the_fine_cells_is_counted_by_the_hour(now: datetime) -> None:
    hour = now.replace(minute=0)
    cell(COARSE_S, hour - timedelta(days=20), "failed", 4)
    cell(FINE_S, hour - timedelta(days=1), "failed", 7)
    cell(COARSE_S, hour - timedelta(days=1), "failed", 9)
    assert totals(hour - timedelta(days=30), hour) == {Ending.FAILED: 13}
    assert totals(hour - timedelta(days=2), hour) == {Ending.FAILED: 7}


def test_sent_since_leaves_out_servers_that_sent_nothing_or_are_not_asked_about(now: datetime) -> None:
    cell(FINE_S, now, "sent", 3)
    cell(FINE_S, now - timedelta(days=2), "sent", 50)
    cell(FINE_S, now, "failed", 5, server_id="B")
    cell(FINE_S, now, "sent", 5, server_id="C")
    assert sent_since(["A", "B"], now - timedelta(days=1)) == {"A": 3}


def test_causes_come_with_their_first_time_and_the_most_frequent_first(now: datetime) -> None:
    cell(FINE_S, now - timedelta(minutes=10), "failed", 1, cause="recipient-unknown")
    cell(FINE_S, now - timedelta(minutes=5), "deferred", 2, cause="sending-rate-exceeded")
    cell(FINE_S, now, "deferred", 1, cause="sending-rate-exceeded")
    cell(FINE_S, now, "sent", 9)
    found = [(c.cause, c.ending, c.attempts, c.first_at) for c in causes_since(now - timedelta(days=1))]
    assert found == [
        ("sending-rate-exceeded", Ending.DEFERRED, 3, now - timedelta(minutes=5)),
        ("recipient-unknown", Ending.FAILED, 1, now - timedelta(minutes=10)),
    ]


def test_cells_go_when_their_time_is_over_the_hours_long_after_the_minutes(now: datetime) -> None:
    for width_s, days in ((FINE_S, 8), (FINE_S, 10), (COARSE_S, 10), (COARSE_S, 401)):
        cell(width_s, now - timedelta(days=days), "sent", 1)
    forget_old(now)
    kept = DeliveryTally.objects.order_by("width_s").values_list("width_s", "starts_at")
    assert list(kept) == [(FINE_S, now - timedelta(days=8)), (COARSE_S, now - timedelta(days=10))]
