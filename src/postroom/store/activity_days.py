"""What each quarter of an hour of a day had, for calendars: entries, warnings and errors, read from the day's index."""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path

from .activity_index import INDEX_NAME, DayIndex
from .activity_log import ActivityLog
from .activity_shape import SLOT_MS


@dataclass(frozen=True, slots=True)
class DayMark:
    """`entries` is None where only the log is there and nothing has counted it yet."""

    entries: int | None = 0
    warnings: int = 0
    errors: int = 0


def day_marks(folder: Path, first: date, last: date, zone: tzinfo) -> dict[date, DayMark]:
    """The days from `first` to `last` of a time zone that have entries."""
    sums: dict[date, list[int]] = {}
    marks: dict[date, DayMark] = {}
    for day in ActivityLog(folder).days():
        if not first - timedelta(days=1) <= day <= last + timedelta(days=1):
            continue
        slots = _slots_of(folder, day)
        if slots is None and first <= day <= last:
            marks[day] = DayMark(None)
        for slot, severity, entries in slots or ():
            on = datetime.fromtimestamp(slot * SLOT_MS / 1_000, UTC).astimezone(zone).date()
            total = sums.setdefault(on, [0, 0, 0])
            total[0] += entries
            total[1] += entries if severity == "warning" else 0
            total[2] += entries if severity == "error" else 0
    marks |= {on: DayMark(*total) for on, total in sums.items() if first <= on <= last}
    return marks


def _slots_of(folder: Path, day: date) -> tuple[tuple[int, str, int], ...] | None:
    path = folder / day.isoformat() / INDEX_NAME
    stamps = tuple(_stamp(Path(f"{path}{suffix}")) for suffix in ("", "-wal"))
    return _read(folder, day, stamps)


@lru_cache(maxsize=400)
def _read(folder: Path, day: date, _stamps: object) -> tuple[tuple[int, str, int], ...] | None:
    """(slot, severity, entries); None where there is no index. Remembered until the files of the index change."""
    try:
        with DayIndex(folder, day).reading() as connection:
            rows = connection.execute(
                "SELECT t.slot, s.severity, sum(t.entries) FROM tally t JOIN shape s ON s.id = t.shape GROUP BY 1, 2"
            ).fetchall()
    except (FileNotFoundError, sqlite3.Error):
        return None
    return tuple(rows)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)
