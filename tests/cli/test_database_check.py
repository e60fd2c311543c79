"""O6 for PostgreSQL: what would only fail later is refused at start, and no password is ever shown."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.outbox import rows
from tests.rig.installation import Installation, running_postroom
from tests.rig.postgresql import Cluster

from postroom.cli import database_check
from postroom.cli.start_check import start_problems
from postroom.policy.database_url import DatabaseUrl
from postroom.store.database import conninfo_of


def refused(url: str, data: Path) -> str:
    """The id of the one problem, which tells nothing of a password."""
    [problem] = start_problems({"POSTROOM_DATABASE_URL": url}, data)
    assert DatabaseUrl.parse(url).password not in str(problem)
    assert problem.hint
    return problem.id


@pytest.fixture
def empty(postgresql: Cluster) -> str:
    return postgresql.url(postgresql.create())


def test_a_database_that_can_be_used_has_no_problem_over_tcp_and_over_a_unix_socket(
    postgresql: Cluster, tmp_path: Path
) -> None:
    name = postgresql.create()
    for by_socket in (False, True):
        url = postgresql.url(name, by_socket=by_socket)
        assert start_problems({"POSTROOM_DATABASE_URL": url}, tmp_path) == []


def test_a_server_that_does_not_answer_or_refuses_the_password_is_named_without_it(
    postgresql: Cluster, empty: str, tmp_path: Path
) -> None:
    assert refused(empty.replace(f":{postgresql.port}/", ":1/"), tmp_path) == "database-unreachable"
    assert refused(empty.replace(postgresql.password, "wrong-canary"), tmp_path) == "database-unreachable"
    assert refused(empty.replace("sslmode=disable", "sslmode=require"), tmp_path) == "database-unreachable"


def test_a_server_that_is_too_old_is_refused(empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_check, "VERSION_NEEDED", 99)
    assert refused(empty, tmp_path) == "database-too-old"


def test_a_user_who_may_make_no_tables_is_refused(postgresql: Cluster, empty: str, tmp_path: Path) -> None:
    conninfo = conninfo_of(DatabaseUrl.parse(empty))
    rows(conninfo, "CREATE ROLE reader LOGIN PASSWORD 'reader-canary'")
    rows(conninfo, "REVOKE ALL ON SCHEMA public FROM public")
    reader = empty.replace("postroom:", "reader:").replace(postgresql.password, "reader-canary")
    assert refused(reader, tmp_path) == "database-rights"


def test_another_encoding_is_refused(postgresql: Cluster, tmp_path: Path) -> None:
    rows(conninfo_of(DatabaseUrl.parse(postgresql.url())), "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    assert refused(postgresql.url("latin"), tmp_path) == "database-encoding"


@pytest.fixture
def unsynced(postgresql: Cluster) -> Iterator[None]:
    conninfo = conninfo_of(DatabaseUrl.parse(postgresql.url()))
    rows(conninfo, "ALTER SYSTEM SET fsync = off")
    rows(conninfo, "SELECT pg_reload_conf()")
    yield
    rows(conninfo, "ALTER SYSTEM RESET fsync")
    rows(conninfo, "SELECT pg_reload_conf()")


@pytest.mark.usefixtures("unsynced")
def test_d1_a_database_that_does_not_sync_is_refused(empty: str, tmp_path: Path) -> None:
    assert refused(empty, tmp_path) == "database-not-durable"


def test_a_clock_that_differs_is_refused(empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, _zone: object = None) -> datetime:
            return datetime.now(UTC) + timedelta(seconds=31)

    monkeypatch.setattr(database_check, "datetime", Ahead)
    assert refused(empty, tmp_path) == "clock-differs"


def test_a_database_in_use_without_its_keys_is_refused(
    postgresql: Cluster, postgresql_schema: str, tmp_path: Path
) -> None:
    url = postgresql.url(postgresql.create(postgresql_schema))
    assert start_problems({"POSTROOM_DATABASE_URL": url}, tmp_path) == []
    installation = Installation(tmp_path, POSTROOM_DATABASE_URL=url)
    made = installation.command(
        "user", "create", "ann@example.org", "--name", "Ann", "--role", "administrator", said="correct horse battery\n"
    )
    assert made.returncode == 0, made.stderr
    assert start_problems({"POSTROOM_DATABASE_URL": url}, tmp_path) == []
    assert refused(url, tmp_path / "another machine") == "keys-missing"


def test_a_command_on_a_database_without_tables_says_how_to_make_them(empty: str, tmp_path: Path) -> None:
    installation = Installation(tmp_path, POSTROOM_DATABASE_URL=empty)
    refusal = installation.command("token", "create", "reports", "--scope", "send")
    assert (refusal.returncode, refusal.stdout) == (1, "")
    assert "postroom migrate" in refusal.stderr
    assert installation.command("migrate").returncode == 0
    assert installation.command("token", "create", "reports", "--scope", "send").returncode == 0


def test_everything_runs_on_a_database_and_shows_its_password_nowhere(
    postgresql: Cluster, empty: str, tmp_path: Path
) -> None:
    installation = Installation(tmp_path / "data", POSTROOM_DATABASE_URL=empty)
    with running_postroom(installation) as run:
        token = installation.command("token", "create", "reports", "--scope", "send").stdout.strip()
        sent = installation.command(
            "send", "--to", "ann@example.org", "--subject", "Monday", "--wait", "30", said="All numbers are in.\n"
        )
        assert sent.returncode == 0, sent.stderr
        arguments = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in run.children().values()]
    shown = b"".join(arguments) + run.output.encode() + sent.stderr.encode()
    assert token
    assert f"postgresql://postroom@127.0.0.1:{postgresql.port}/".encode() in shown
    assert postgresql.password.encode() not in shown
    logs = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert not any(postgresql.password.encode() in log for log in logs)
    assert not (tmp_path / "data" / "postroom.sqlite3").exists()
