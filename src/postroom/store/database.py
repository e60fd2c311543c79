"""Which database this installation uses, as Django and psycopg want it told."""

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from postroom.policy.database_url import DatabaseUrl

if TYPE_CHECKING:
    import psycopg

SQLITE_FILE = "postroom.sqlite3"
# What every connection to SQLite does; each commit is synced.
SQLITE_PRAGMAS = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON")
# Who commits something that others may wait for says so here.
CHANNEL = "postroom"
# Numbers of advisory locks in the database.
WRITERS_LOCK, CHORES_LOCK, MIGRATION_LOCK = 7_672_001, 7_672_002, 7_672_003
CONNECT_S = 10
LOCK_WAIT_S = 20
# A machine that is gone without a word, or sleeps within a transaction, frees its locks after half a minute, before its
# leases are over; commits wait for the disk, whatever the server's own setting is (D1).
_SESSION = {
    "synchronous_commit": "on", "lock_timeout": f"{LOCK_WAIT_S}s", "idle_in_transaction_session_timeout": "30s",
    "tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "4", "timezone": "UTC",
}
_CLIENT = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4, "tcp_user_timeout": 30_000}


def django_database(url: str, data: Path) -> dict[str, Any]:
    """The entry of DATABASES for POSTROOM_DATABASE_URL; SQLite in the data directory for "". Raises
    DatabaseUrlProblem."""
    if not url:
        return {
            "ENGINE": "postroom.store.sqlite",
            "NAME": data / SQLITE_FILE,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": ";".join(SQLITE_PRAGMAS),
            },
        }
    wanted = DatabaseUrl.parse(url)
    return {
        "ENGINE": "postroom.store.postgresql",
        "NAME": wanted.name, "USER": wanted.user, "PASSWORD": wanted.password,
        "HOST": wanted.host, "PORT": str(wanted.port),
        "OPTIONS": {**_CLIENT, "connect_timeout": CONNECT_S, **wanted.options, **_session()},
    }


def is_postgresql() -> bool:
    """Whether Django's settings name a PostgreSQL database."""
    return str(settings.DATABASES["default"]["ENGINE"]) == "postroom.store.postgresql"


def shown_database() -> str:
    """The database of Django's settings as an operator may read it."""
    if not is_postgresql():
        return f"SQLite {sqlite3.sqlite_version}"
    entry = settings.DATABASES["default"]
    return f"postgresql://{entry['USER']}@{entry['HOST']}:{entry['PORT']}/{entry['NAME']}"


def database_bytes() -> int:
    """How much room the database takes, with its indexes and, on SQLite, its log (blocking)."""
    if not is_postgresql():
        folder, name = sqlite_file().parent, sqlite_file().name
        return sum(path.stat().st_size for path in folder.glob(f"{name}*"))
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def sqlite_file() -> Path:
    """The file of the database of Django's settings, when that is SQLite."""
    return Path(str(settings.DATABASES["default"]["NAME"]))


def conninfo() -> str:
    """The database of Django's settings for psycopg. It holds the password: never show it."""
    entry = settings.DATABASES["default"]
    return conninfo_of(DatabaseUrl(
        entry["HOST"], int(entry["PORT"]), str(entry["NAME"]), entry["USER"], entry["PASSWORD"],
        {name: str(value) for name, value in entry["OPTIONS"].items()},
    ))


def conninfo_of(url: DatabaseUrl) -> str:
    """As `conninfo`, of an address."""
    from psycopg.conninfo import make_conninfo

    options: dict[str, Any] = {**_CLIENT, "connect_timeout": CONNECT_S, **url.options, **_session()}
    return make_conninfo(
        "", host=url.host, port=url.port, dbname=url.name, user=url.user, password=url.password or None, **options
    )


def connected(info: str) -> "psycopg.Connection[tuple[Any, ...]]":
    """A connection where each statement is a transaction of its own. Raises psycopg.Error."""
    import psycopg

    return psycopg.connect(info, autocommit=True)


def _session() -> dict[str, str]:
    return {"application_name": "postroom", "options": " ".join(f"-c {name}={text}" for name, text in _SESSION.items())}
