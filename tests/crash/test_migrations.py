"""D14: a change of the tables that is killed at any statement leaves those of the old version or of the new one.

Some statements, spread at random, are tried; with ROUNDS of 200 or more every one.
"""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.outbox import Database, add_server, rows
from tests.rig.installation import Installation
from tests.rig.postgresql import Cluster

from postroom.policy.database_url import DatabaseUrl
from postroom.store.database import conninfo_of

pytestmark = pytest.mark.crash
ROUNDS = int(os.environ.get("ROUNDS", "6"))
# A version that was in use before contents lay in the database.
OLD = "0006_audit"
_SQLITE = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2"
_POSTGRESQL = (
    "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    " WHERE table_schema = 'public' UNION ALL SELECT tablename, indexname, indexdef, '', '' FROM pg_indexes"
    " WHERE schemaname = 'public' UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', ''"
    " FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2, 3"
)
_DONE = "SELECT app, name FROM django_migrations ORDER BY 1, 2"


class Place:
    """A data directory and its database."""

    def __init__(self, data: Path, cluster: Cluster | None) -> None:
        data.mkdir(mode=0o700)
        environment = {}
        self.database: Database = data / "postroom.sqlite3"
        if cluster is not None:
            url = cluster.url(cluster.create())
            environment["POSTROOM_DATABASE_URL"] = url
            self.database = conninfo_of(DatabaseUrl.parse(url))
        self._environment = Installation(data, **environment).environment

    def migrate(self, target: str, die_before: int = 0) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "tests.crash.migrating", target, str(die_before)]
        return subprocess.run(words, env=self._environment, capture_output=True, text=True, timeout=120, check=False)

    def schema(self) -> list[object]:
        """Tables, indexes and constraints, and the changes that are noted as made."""
        shape = rows(self.database, _SQLITE if isinstance(self.database, Path) else _POSTGRESQL)
        return [shape, rows(self.database, _DONE) if shape else []]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize("start", ["nothing", OLD])
def test_d14_a_migration_that_is_killed_at_any_statement_leaves_the_old_or_the_new_schema(
    request: pytest.FixtureRequest, tmp_path: Path, dialect: str, start: str,
    record_property: Callable[[str, object], None],
) -> None:
    cluster = request.getfixturevalue("postgresql") if dialect == "postgresql" else None
    place, whole = Place(tmp_path / "killed", cluster), Place(tmp_path / "whole", cluster)
    for each in (place, whole):
        if start != "nothing":
            assert each.migrate(start).returncode == 0
            add_server(each.database)
    done = whole.migrate("newest")
    assert done.returncode == 0, done.stderr
    statements, old, new = int(done.stdout), place.schema(), whole.schema()
    every = list(range(1, statements + 1))
    chosen = every if ROUNDS >= 200 else sorted({*random.sample(every, ROUNDS), statements - 1})
    for number in chosen:
        killed = place.migrate("newest", number)
        assert killed.returncode == -9, f"statement {number} of {statements}: {killed.stderr}"
        left = place.schema()
        assert left in (old, new), f"killed before statement {number} of {statements}"
        if left == new:
            break
    record_property("statements", f"{len(chosen)} of {statements}")
    again = place.migrate("newest")
    assert again.returncode == 0, again.stderr
    assert place.schema() == new
    if start != "nothing":
        assert rows(place.database, "SELECT name FROM store_smtpserver") == [("Relay",)]
