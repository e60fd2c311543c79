"""The tables as this version needs them."""

from pathlib import Path

from django.core.management import call_command
from django.db import connection

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
    if not is_postgresql():
        call_command("migrate", verbosity=0, interactive=False)
        return
    with connected(conninfo()) as alone:
        alone.execute("SET lock_timeout = '10min'")
        alone.execute(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
        call_command("migrate", verbosity=0, interactive=False)
