"""S3: whoever begins runs may die at any statement, and several may do it at once: an instant gives one run.

Some statements, spread at random, are tried; with ROUNDS of 200 or more every one.
"""

import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.outbox import Database, rows
from tests.rig.installation import Installation
from tests.rig.postgresql import Cluster

from postroom.policy.database_url import DatabaseUrl
from postroom.store.database import conninfo_of

from .scheduling import SUBSCRIPTIONS

pytestmark = pytest.mark.crash
ROUNDS = int(os.environ.get("ROUNDS", "3"))
FIRST = datetime(2026, 11, 23, 8, 0, 1, tzinfo=UTC)


class Place:
    """A data directory with subscriptions that are due every morning."""

    def __init__(self, data: Path, cluster: Cluster | None) -> None:
        data.mkdir(mode=0o700)
        environment = {}
        self.database: Database = data / "postroom.sqlite3"
        if cluster is not None:
            url = cluster.url(cluster.create())
            environment["POSTROOM_DATABASE_URL"] = url
            self.database = conninfo_of(DatabaseUrl.parse(url))
        self._environment = Installation(data, **environment).environment

    def start(self, now: datetime, what: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "tests.crash.scheduling", now.isoformat(), what]
        return subprocess.Popen(
            words, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, now: datetime, what: str = "0") -> tuple[int, str]:
        process = self.start(now, what)
        said, failed = process.communicate(timeout=120)
        return process.returncode, said or failed

    def runs(self) -> list[int]:
        """Of each instant so far, how many runs it gave: 1 of each subscription."""
        counted = rows(self.database, "SELECT count(*) FROM store_run GROUP BY subscription_id, nominal_at")
        return [count for (count,) in counted]

    def next_instants(self) -> set[str]:
        return {str(at)[:19] for (at,) in rows(self.database, "SELECT next_at FROM store_subscription")}


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    cluster = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    made = Place(tmp_path / "data", cluster)
    status, said = made.run(FIRST - timedelta(hours=1), "subscriptions")
    assert status == 0, said
    return made


def test_s3_a_scheduler_killed_at_any_statement_leaves_each_instant_with_one_run(place: Place) -> None:
    status, said = place.run(FIRST)
    assert status == 0, said
    statements = int(said)
    assert statements > SUBSCRIPTIONS
    every = list(range(1, statements + 1))
    chosen = every if ROUNDS >= 200 else random.sample(every, ROUNDS)
    for day, number in enumerate(chosen, 1):
        now = FIRST + timedelta(days=day)
        assert place.run(now, str(number))[0] == -9, f"statement {number} of {statements}"
        status, said = place.run(now)
        assert status == 0, said
        assert place.runs() == [1] * SUBSCRIPTIONS * (day + 1), f"killed before statement {number} of {statements}"
        assert place.next_instants() == {f"{now + timedelta(days=1):%Y-%m-%d} 08:00:00"}


def test_s3_two_schedulers_at_once_give_each_instant_one_run(place: Place) -> None:
    for day in range(3):
        now = FIRST + timedelta(days=day)
        both = [place.start(now, "0") for _ in range(2)]
        for process in both:
            _, failed = process.communicate(timeout=120)
            assert process.returncode == 0, failed
        assert place.runs() == [1] * SUBSCRIPTIONS * (day + 1)
