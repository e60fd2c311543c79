"""Read the activity log of any period through the indexes of its days: counts, the newest entries, what came since.

Work is bounded whatever the size of a day: counts come from tallies by shape, entries from the index in their order,
and a search looks at `SEARCHED` of the newest candidates at most.
"""

import heapq
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from .activity_index import DayIndex, Progress, entry_of
from .activity_shape import SEARCHED_CHARACTERS, SLOT_MS, Criteria, Shape, pieces_of, searched_text

SEARCHED = 1_000
NEWER = 1_000
# Of milliseconds and of octets; more would be no number of SQLite's.
_DIGITS = 15


class Spot(NamedTuple):
    """Where an entry lies; compares in order of time."""

    at_ms: int
    day: str
    offset: int

    @classmethod
    def parse(cls, text: str) -> "Spot | None":
        """Inverse of `str`; None for anything else."""
        parts = text.split("~")
        with suppress(ValueError):
            if len(parts) == 3 and all(len(number) <= _DIGITS for number in (parts[0], parts[2])):
                return cls(int(parts[0]), date.fromisoformat(parts[1]).isoformat(), int(parts[2]))
        return None

    def __str__(self) -> str:
        return f"{self.at_ms}~{self.day}~{self.offset}"


@dataclass(frozen=True, slots=True)
class Found:
    """An entry. `times` counts those like it for which it stands, the first of them at `since_ms`."""

    spot: Spot
    shape: Shape
    entry: Mapping[str, Any]
    times: int = 1
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """So many entries of a shape within a quarter of an hour from `slot_ms`."""

    slot_ms: int
    shape: Shape
    entries: int


@dataclass(frozen=True, slots=True)
class Matches:
    """What a search found, newest first; `is_more` when it ended at its bound."""

    found: Sequence[Found]
    is_more: bool


class _Day:
    """One day of the period: its index, its log, and its shapes."""

    def __init__(self, index: DayIndex, connection: sqlite3.Connection, log: int) -> None:
        self.name = index.day.isoformat()
        self.connection = connection
        self.log = log
        rows = connection.execute("SELECT id, severity, kind, outcome, server, cause, stage, title FROM shape")
        self.shapes = {row[0]: Shape(*row[1:]) for row in rows}

    def entry(self, offset: int, size: int) -> dict[str, Any]:
        return entry_of(os.pread(self.log, size, offset)) or {}


class ActivityReader:
    """The entries from `since` up to `until`, both aware; a context manager.

    Entering catches up with the logs for at most `within_s`. Raises sqlite3.Error when an index can't be read."""

    def __init__(self, folder: Path, since: datetime, until: datetime, within_s: float = 0.3) -> None:
        self._folder = folder
        self._since_ms, self._until_ms = _milliseconds(since), _milliseconds(until)
        self._within_s = within_s
        self._stack = ExitStack()
        self._days: list[_Day] = []
        self._cells: Sequence[Cell] | None = None
        self.progress: dict[date, Progress] = {}

    def __enter__(self) -> Self:
        try:
            for day in days_between(self._since_ms, self._until_ms):
                index = DayIndex(self._folder, day)
                self.progress[day] = index.catch_up(self._within_s)
                with suppress(FileNotFoundError):
                    connection = self._stack.enter_context(index.reading())
                    log = os.open(index.log, os.O_RDONLY | os.O_CLOEXEC)
                    self._stack.callback(os.close, log)
                    self._days.append(_Day(index, connection, log))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def cells(self) -> Sequence[Cell]:
        """How many entries of each shape each quarter of an hour has."""
        if self._cells is None:
            found = []
            for day in self._days:
                rows = day.connection.execute(
                    "SELECT slot, shape, entries FROM tally WHERE slot >= ? AND slot < ?",
                    (self._since_ms // SLOT_MS, -(-self._until_ms // SLOT_MS)),
                )
                found += [Cell(slot * SLOT_MS, day.shapes[shape], entries) for slot, shape, entries in rows]
            self._cells = found
        return self._cells

    def totals(self) -> Counter[Shape]:
        """Entries of each shape in the whole period."""
        counts: Counter[Shape] = Counter()
        for cell in self.cells:
            counts[cell.shape] += cell.entries
        return counts

    def newest(self, criteria: Criteria, limit: int, before: Spot | None = None, *, fold: bool = False) -> list[Found]:
        """At most `limit` entries that fit, newest first, older than `before`. With `fold` the newest of each shape
        that folds stands for the others."""
        streams: list[Iterator[tuple[int, str, int, int, Shape]]] = []
        folded: dict[Shape, tuple[int, int]] = {}
        for day in self._days:
            for shape_id, shape in day.shapes.items():
                if criteria.takes(shape):
                    streams.append(self._of_shape(day, shape_id, before))
        found: list[Found] = []
        for at_ms, name, offset, size, shape in heapq.merge(*streams, reverse=True, key=lambda row: row[:3]):
            spot = Spot(at_ms, name, offset)
            if fold and shape.folds:
                if shape in folded:
                    continue
                folded[shape] = self._span_of(shape)
                if before is not None and self._is_shown_before(shape, before):
                    continue
            times, since_ms = folded.get(shape, (1, at_ms)) if fold else (1, at_ms)
            found.append(Found(spot, shape, self._day(name).entry(offset, size), times, since_ms))
            if len(found) >= limit:
                break
        return found

    def search(self, criteria: Criteria) -> Matches:
        """The newest entries with one of the recipients and the text of the criteria, whatever their shape."""
        bound = SEARCHED + 1
        rows: list[tuple[Spot, Shape, int]] = []
        for day in reversed(self._days):
            if len(rows) < bound:
                rows += self._candidates(day, criteria, bound - len(rows))
        rows.sort(key=lambda row: row[0], reverse=True)
        found = []
        for spot, shape, size in rows[:SEARCHED]:
            entry = self._day(spot.day).entry(spot.offset, size)
            if not criteria.text or criteria.text.lower() in searched_text(entry).lower():
                found.append(Found(spot, shape, entry, 1, spot.at_ms))
        return Matches(found, len(rows) > SEARCHED)

    def recipients(self, criteria: Criteria, newest: int) -> Counter[str]:
        """Who the newest entries of the shapes asked for are about."""
        streams = [
            day.connection.execute(
                "SELECT at_ms, recipient FROM entry WHERE shape = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms DESC",
                (shape_id, self._since_ms, self._until_ms),
            )
            for day in self._days for shape_id, shape in day.shapes.items() if criteria.takes(shape)
        ]
        merged = heapq.merge(*streams, reverse=True, key=lambda row: row[0])
        return Counter(recipient for _, recipient in islice(merged, newest) if recipient)

    def newer(self, criteria: Criteria, than: Mapping[str, int]) -> int:
        """How many entries that fit were appended past these octets of each day's log; `NEWER` at most."""
        count = 0
        for day in self._days:
            # The signs keep SQLite from the index of times: what is new lies at the end of the log.
            rows = day.connection.execute(
                "SELECT offset, size, shape, recipient FROM entry WHERE offset >= ? AND +at_ms >= ? AND +at_ms < ?"
                " LIMIT ?",
                (than.get(day.name, 0), self._since_ms, self._until_ms, NEWER),
            )
            for offset, size, shape, recipient in rows:
                fits = criteria.takes(day.shapes[shape]) and (not criteria.recipient or recipient in criteria.recipient)
                if fits and criteria.text:
                    fits = criteria.text.lower() in searched_text(day.entry(offset, size)).lower()
                count += fits
        return min(count, NEWER)

    def indexed(self) -> dict[str, int]:
        """How many octets of each day's log this reader knows."""
        return {day.isoformat(): progress.indexed_bytes for day, progress in self.progress.items()}

    def _candidates(self, day: _Day, criteria: Criteria, limit: int) -> Iterable[tuple[Spot, Shape, int]]:
        wanted = [shape_id for shape_id, shape in day.shapes.items() if criteria.takes(shape)]
        conditions = ["e.at_ms >= ?", "e.at_ms < ?"]
        values: list[Any] = [self._since_ms, self._until_ms]
        if len(wanted) < len(day.shapes):
            conditions.append(f"e.shape IN ({', '.join('?' * len(wanted))})")
            values += wanted
        if criteria.recipient:
            # The first part lets SQLite see that the index of entries with a recipient is enough.
            conditions.append(f"e.recipient <> '' AND e.recipient IN ({', '.join('?' * len(criteria.recipient))})")
            values += sorted(criteria.recipient)
        source, order = "entry e", "e.at_ms DESC, e.offset DESC"
        is_few = len(wanted) < len(day.shapes) and self._total_of(criteria) <= SEARCHED
        if not is_few and len(criteria.text) >= SEARCHED_CHARACTERS and (pieces := pieces_of(criteria.text)):
            source, order = "words CROSS JOIN entry e ON e.offset = words.rowid", "words.rowid DESC"
            conditions.insert(0, "words MATCH ?")
            values.insert(0, pieces)
        rows = day.connection.execute(
            f"SELECT e.at_ms, e.offset, e.shape, e.size FROM {source} WHERE {' AND '.join(conditions)}"
            f" ORDER BY {order} LIMIT ?",
            (*values, limit),
        )
        return [(Spot(at_ms, day.name, offset), day.shapes[shape], size) for at_ms, offset, shape, size in rows]

    def _total_of(self, criteria: Criteria) -> int:
        return sum(entries for shape, entries in self.totals().items() if criteria.takes(shape))

    def _of_shape(
        self, day: _Day, shape_id: int, before: Spot | None
    ) -> Iterator[tuple[int, str, int, int, Shape]]:
        """Read lazily: the index gives the order, so that only what is shown is visited."""
        until_ms = self._until_ms if before is None else min(self._until_ms, before.at_ms + 1)
        rows = day.connection.execute(
            "SELECT at_ms, offset, size FROM entry WHERE shape = ? AND at_ms >= ? AND at_ms < ?"
            " ORDER BY at_ms DESC, offset DESC",
            (shape_id, self._since_ms, until_ms),
        )
        for at_ms, offset, size in rows:
            if before is None or Spot(at_ms, day.name, offset) < before:
                yield at_ms, day.name, offset, size, day.shapes[shape_id]

    def _span_of(self, shape: Shape) -> tuple[int, int]:
        """How many entries of a shape there are, and when the first one was."""
        firsts = []
        for day in self._days:
            for shape_id in (known for known, other in day.shapes.items() if other == shape):
                row = day.connection.execute(
                    "SELECT min(at_ms) FROM entry WHERE shape = ? AND at_ms >= ? AND at_ms < ?",
                    (shape_id, self._since_ms, self._until_ms),
                ).fetchone()
                firsts += [row[0]] if row[0] is not None else []
        return self.totals()[shape], min(firsts, default=self._since_ms)

    def _is_shown_before(self, shape: Shape, before: Spot) -> bool:
        """Whether an entry of the shape is as new as `before`, and so stands on an earlier page."""
        for day in self._days:
            for shape_id in (known for known, other in day.shapes.items() if other == shape):
                row = day.connection.execute(
                    "SELECT at_ms, offset FROM entry WHERE shape = ? AND at_ms >= ? AND at_ms < ?"
                    " ORDER BY at_ms DESC, offset DESC LIMIT 1",
                    (shape_id, self._since_ms, self._until_ms),
                ).fetchone()
                if row is not None and Spot(row[0], day.name, row[1]) >= before:
                    return True
        return False

    def _day(self, name: str) -> _Day:
        return next(day for day in self._days if day.name == name)


def days_between(since_ms: int, until_ms: int) -> list[date]:
    """The UTC days that a period touches, oldest first."""
    first = datetime.fromtimestamp(since_ms / 1_000, UTC).date()
    last = datetime.fromtimestamp((until_ms - 1) / 1_000, UTC).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000)
