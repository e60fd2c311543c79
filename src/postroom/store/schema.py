"""The tables as this version needs them.

All that a new version changes is one transaction, so that tables and the list of changes made to them are those of the
old version or of the new one, whenever it is interrupted (D14). Django by itself commits each change and, after it, the
note that it was made.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from django.core.management import call_command
from django.db import connection, transaction

from . import event_triggers
from .database import MIGRATION_LOCK, connected, conninfo, is_postgresql


def is_current() -> bool:
    """Whether the newest change of this version has been made to the tables (blocking). Raises DatabaseError."""
    newest = max(path.stem for path in (Path(__file__).parent / "migrations").glob("0*.py"))
    with connection.cursor() as cursor:
        if "django_migrations" not in connection.introspection.table_names(cursor):
            return False
        cursor.execute("SELECT 1 FROM django_migrations WHERE app = 'store' AND name = %s", (newest,))
        return cursor.fetchone() is not None


def bring_up_to_date() -> None:
    """Make or change the tables; one process at a time, on whatever machine. Raises DatabaseError, psycopg.Error."""
    with _alone() if is_postgresql() else nullcontext(), _unchecked(), transaction.atomic():
        if not is_current():
            event_triggers.remove_all()
        call_command("migrate", verbosity=0, interactive=False)
        event_triggers.arrange()


@contextmanager
def _alone() -> Iterator[None]:
    with connected(conninfo()) as other:
        other.execute("SET lock_timeout = '10min'")
        other.execute(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
        yield


@contextmanager
def _unchecked() -> Iterator[None]:
    """SQLite makes a table anew to change it, and can stop following references only outside of a transaction; Django
    checks them all before it commits."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.disable_constraint_checking()
    try:
        yield
    finally:
        connection.enable_constraint_checking()
