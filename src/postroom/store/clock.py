"""One clock for all engines: leases are written and judged by the time of the database, which they share."""

import time
from datetime import UTC, datetime, timedelta

from django.db import connection

# Goes on while the machine sleeps, where the system has such a clock.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class DatabaseClock:
    """`now` counts on from what the database said at the last `measure`; on SQLite it is this machine's wall clock."""

    def __init__(self) -> None:
        self._measured: tuple[datetime, float] | None = None

    def measure(self) -> None:
        """Ask the database (blocking). Raises django.db.DatabaseError."""
        if connection.vendor == "sqlite":
            return
        asked_s = time.clock_gettime(_CLOCK)
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (at,) = cursor.fetchone()
        self._measured = (at.astimezone(UTC), (asked_s + time.clock_gettime(_CLOCK)) / 2)

    def now(self) -> datetime:
        if self._measured is None:
            return datetime.now(UTC)
        at, measured_s = self._measured
        return at + timedelta(seconds=time.clock_gettime(_CLOCK) - measured_s)
