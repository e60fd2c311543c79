"""What is refused at start about a PostgreSQL database (O6): how it is reached, what it is, what it keeps, its time."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postroom.policy.database_url import DatabaseUrl, DatabaseUrlProblem
from postroom.store.database import conninfo_of

from .start_problem import StartProblem

if TYPE_CHECKING:
    import psycopg

VARIABLE = "POSTROOM_DATABASE_URL"
# The oldest that its makers still care for.
VERSION_NEEDED = 14
CLOCK_TOLERANCE = timedelta(seconds=30)
_FORM = f"Set {VARIABLE} to postgresql://user:password@host:port/database?sslmode=verify-full, or unset it for SQLite."
_FACTS = (
    "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_encoding'),"
    " current_setting('fsync'), current_setting('full_page_writes'), pg_is_in_recovery(), clock_timestamp(),"
    " COALESCE(has_schema_privilege(current_user, current_schema(), 'CREATE'), false)"
)


def database_problems(environment: Mapping[str, str], data: Path) -> Iterator[StartProblem]:
    """Everything wrong with the database that the environment names; nothing where it names none."""
    text = environment.get(VARIABLE, "")
    if not text:
        return
    try:
        url = DatabaseUrl.parse(text)
    except DatabaseUrlProblem as error:
        yield StartProblem("database-url-invalid", f"{VARIABLE} can't be used: {error}", _FORM)
        return
    import psycopg

    try:
        with psycopg.connect(conninfo_of(url), autocommit=True) as connection:
            yield from _found(connection, url, data)
    except psycopg.Error as error:
        yield StartProblem(
            "database-unreachable",
            f"the database {url} of {VARIABLE} does not answer: {_first_line(error, url)}",
            "See that the server runs, lets this machine in, and knows this user and password.",
        )


def _found(connection: "psycopg.Connection[tuple[Any, ...]]", url: DatabaseUrl, data: Path) -> Iterator[StartProblem]:
    row = connection.execute(_FACTS).fetchone()
    assert row is not None
    version, encoding, fsync, full_pages, is_standby, clock, may_create = row
    named = f"the database {url} of {VARIABLE}"
    if version < VERSION_NEEDED:
        text = f"{named} is PostgreSQL {version}; Postroom needs {VERSION_NEEDED}"
        yield StartProblem("database-too-old", text, "Upgrade the server.")
    if encoding != "UTF8":
        hint = "Make a database with ENCODING 'UTF8' TEMPLATE template0."
        yield StartProblem("database-encoding", f"{named} has the encoding {encoding}, not UTF8", hint)
    if fsync != "on" or full_pages != "on":
        text = f"{named} does not sync what it commits, so that a power cut would lose accepted mail"
        yield StartProblem("database-not-durable", text, "Switch fsync and full_page_writes on.")
    if is_standby:
        yield StartProblem("database-read-only", f"{named} is a standby, which only reads", "Name the primary server.")
    elif not may_create:
        hint = "Let the user own the database, or grant it CREATE on the schema."
        yield StartProblem("database-rights", f"{named} lets its user make no tables", hint)
    if abs(clock - datetime.now(UTC)) > CLOCK_TOLERANCE:
        text = f"the clock of {url.host} and this machine's differ by more than {CLOCK_TOLERANCE.seconds} seconds"
        yield StartProblem("clock-differs", text, "Set both by NTP.")
    if not any((data / "keys").glob("*.key")) and _has_people(connection):
        yield StartProblem(
            "keys-missing",
            f"{named} is in use, but {data} has no keys/, so no stored password can be read",
            "Share keys/ with the other machines, or restore it from its backup.",
        )


def _has_people(connection: "psycopg.Connection[tuple[Any, ...]]") -> bool:
    """Whether somebody set it up already."""
    if connection.execute("SELECT to_regclass('store_user') IS NULL").fetchone() == (True,):
        return False
    return connection.execute("SELECT EXISTS (SELECT 1 FROM store_user)").fetchone() == (True,)


def _first_line(error: Exception, url: DatabaseUrl) -> str:
    """What the driver said, which names host and user; its text never has the password, but nobody promises that."""
    text = (str(error).splitlines() or ["no reason was given"])[0].rstrip(".")
    return text.replace(url.password, "…") if url.password else text
