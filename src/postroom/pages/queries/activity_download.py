"""The activity log as a file: a day's lines as they are, or those that fit a filter as CSV."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from postroom.store.activity_index import entry_of
from postroom.store.activity_log import FIELDS, FILE_NAME
from postroom.store.activity_reader import ActivityReader, Found, Spot, days_between
from postroom.store.activity_shape import milliseconds_of, text_of
from postroom.terms.spreadsheet import neutral

from .activity import log_folder, reader_of
from .activity_filters import Asked

LINES = 100_000
_PART_LINES = 1_000


class DayLines:
    """The lines of a day of the reader's, octet for octet, part by part; `is_there` when there is any log of it."""

    def __init__(self, bounds: tuple[datetime, datetime]) -> None:
        self._since_ms, self._until_ms = (round(bound.timestamp() * 1_000) for bound in bounds)
        days = days_between(self._since_ms, self._until_ms)
        self._paths = [path for day in days if (path := log_folder() / day.isoformat() / FILE_NAME).is_file()]
        self._parts = self._read()

    @property
    def is_there(self) -> bool:
        return bool(self._paths)

    def next_part(self) -> bytes:
        """The next lines, b"" after the last."""
        return next(self._parts, b"")

    def _read(self) -> Iterator[bytes]:
        for path in self._paths:
            yield from self._of_file(path)

    def _of_file(self, path: Path) -> Iterator[bytes]:
        part: list[bytes] = []
        is_within = False
        with path.open("rb") as file:
            for line in file:
                # A line that can't be read belongs to where the one before it does.
                entry = entry_of(line)
                at_ms = milliseconds_of(entry) if entry is not None else None
                is_within = is_within if at_ms is None else self._since_ms <= at_ms < self._until_ms
                if is_within:
                    part.append(line)
                if len(part) >= _PART_LINES:
                    yield b"".join(part)
                    part = []
        if part:
            yield b"".join(part)


class FittingLines:
    """The entries that fit a filter, newest first, as CSV (RFC 4180); at most `LINES`."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._parts = self._read()

    def next_part(self) -> bytes:
        """The next lines, b"" after the last."""
        return next(self._parts, b"")

    def _read(self) -> Iterator[bytes]:
        yield (",".join(FIELDS) + "\r\n").encode()
        before: Spot | None = None
        left = LINES
        while left > 0:
            with reader_of(self._asked) as log:
                found = self._next(log, before)
            if not found:
                return
            yield _csv(found[:left])
            before, left = found[-1].spot, left - len(found)

    def _next(self, log: ActivityReader, before: Spot | None) -> list[Found]:
        criteria = self._asked.criteria
        if not criteria.looks_inside:
            return log.newest(criteria, _PART_LINES, before)
        return [] if before is not None else list(log.search(criteria).found)


def _csv(found: list[Found]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([neutral(_cell(one, name)) for name in FIELDS] for one in found)
    return text.getvalue().encode("utf-8", "replace")


def _cell(one: Found, name: str) -> str:
    value = one.entry.get(name)
    return json.dumps(value) if isinstance(value, dict | list) else text_of(one.entry, name)
