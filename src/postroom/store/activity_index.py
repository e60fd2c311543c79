"""An index of each day's activity log, so that a day of any size is read, counted and searched at once.

`logs/YYYY-MM-DD/activity-index.sqlite3` lies beside the day's log and goes with it. It is never a source of truth: it
holds where each line lies, how many entries of each shape every quarter of an hour has, and the three-letter pieces of
each line's words. Whoever reads a log catches up first, from the octet where the index ends and for a bounded time; the
engine does so now and then. A damaged index, or one of a log that was replaced, is made anew.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from .activity_log import FILE_NAME
from .activity_shape import SLOT_MS, Shape, milliseconds_of, searched_text, text_of
from .write_lock import WriteLock, WriteLockTimeout

INDEX_NAME = "activity-index.sqlite3"
VERSION = 1
# A block's lines are indexed in one commit; a line is at most a few kilobytes long.
BLOCK_BYTES = 1024 * 1024
LONGEST_LINE_BYTES = 128 * 1024

_SCHEMA = f"""
CREATE TABLE progress (
  indexed INTEGER NOT NULL, inode INTEGER NOT NULL, unread INTEGER NOT NULL, at_ms INTEGER NOT NULL
);
CREATE TABLE shape (id INTEGER PRIMARY KEY, severity, kind, outcome, server, cause, stage, title);
CREATE UNIQUE INDEX shape_values ON shape (severity, kind, outcome, server, cause, stage, title);
CREATE TABLE entry (
  offset INTEGER PRIMARY KEY, size INTEGER NOT NULL, at_ms INTEGER NOT NULL, shape INTEGER NOT NULL,
  recipient TEXT NOT NULL
);
CREATE INDEX entry_at ON entry (at_ms);
CREATE INDEX entry_shape ON entry (shape, at_ms);
CREATE INDEX entry_recipient ON entry (recipient, at_ms) WHERE recipient <> '';
CREATE TABLE tally (slot INTEGER, shape INTEGER, entries INTEGER NOT NULL, PRIMARY KEY (slot, shape)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(text, content='', tokenize='trigram', detail='none');
PRAGMA user_version = {VERSION};
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a log is in its index, in octets; `unread` lines were torn or foreign."""

    indexed_bytes: int = 0
    log_bytes: int = 0
    unread: int = 0
    until_ms: int = 0

    @property
    def behind_bytes(self) -> int:
        return max(0, self.log_bytes - self.indexed_bytes)


class DayIndex:
    """The index of one day's log in the folder of all logs. Safe to use from several threads and processes."""

    def __init__(self, folder: Path, day: date) -> None:
        self.day = day
        self.log = folder / day.isoformat() / FILE_NAME
        self.path = folder / day.isoformat() / INDEX_NAME
        self._lock = WriteLock(self.path)

    def catch_up(self, within_s: float) -> Progress:
        """Index what was appended, for about that long; where it stands then. Others who are at it are waited for as
        long, and leave less to do."""
        if not self.log.is_file():
            return Progress()
        before = self.progress()
        if before is not None and not before.behind_bytes:
            return before
        try:
            self._lock.acquire(within_s)
        except WriteLockTimeout:
            return before or Progress(log_bytes=self.log.stat().st_size)
        try:
            return self._caught_up(time.monotonic() + within_s)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
                raise
            self.forget()
            return Progress(log_bytes=self.log.stat().st_size)
        finally:
            self._lock.release()

    def progress(self) -> Progress | None:
        """Where the index stands; None where there is none, or none of this log."""
        try:
            status = self.log.stat()
            with self.reading() as connection:
                row = connection.execute("SELECT indexed, inode, unread, at_ms FROM progress").fetchone()
        except (FileNotFoundError, sqlite3.Error):
            return None
        if row is None or row[1] != status.st_ino or row[0] > status.st_size:
            return None
        return Progress(row[0], status.st_size, row[2], row[3])

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that only reads. Raises FileNotFoundError where there is no index yet, sqlite3.Error."""
        if not self.path.is_file():
            raise FileNotFoundError(self.path)
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, isolation_level=None)) as connection:
            yield connection

    def forget(self) -> None:
        """Remove the index; the next reader makes it anew."""
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(f"{self.path}{suffix}")

    def _caught_up(self, deadline_s: float) -> Progress:
        if self.progress() is None:
            self.forget()
        with closing(_writer(self.path)) as connection, self.log.open("rb") as log:
            if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                _begin(connection, os.fstat(log.fileno()).st_ino)
            while True:
                row = connection.execute("SELECT indexed, unread, at_ms FROM progress").fetchone()
                here = Progress(row[0], os.fstat(log.fileno()).st_size, row[1], row[2])
                if not here.behind_bytes or not self._block(connection, log.fileno(), here):
                    return here
                if time.monotonic() >= deadline_s:
                    row = connection.execute("SELECT indexed, unread, at_ms FROM progress").fetchone()
                    return Progress(row[0], here.log_bytes, row[1], row[2])

    def _block(self, connection: sqlite3.Connection, log: int, here: Progress) -> bool:
        """Index the next lines in one commit; False when the last line has no end yet."""
        octets = os.pread(log, BLOCK_BYTES, here.indexed_bytes)
        end = octets.rfind(b"\n") + 1
        if not end:
            if len(octets) < LONGEST_LINE_BYTES:
                return False
            end = len(octets)  # no line of ours is that long
        start_ms = here.until_ms or _day_start_ms(self.day)
        lines = _lines_of(octets[:end], here.indexed_bytes, start_ms)
        connection.execute("BEGIN IMMEDIATE")
        _store(connection, lines.entries)
        connection.execute(
            "UPDATE progress SET indexed = ?, unread = unread + ?, at_ms = ?",
            (here.indexed_bytes + end, lines.unread, lines.until_ms),
        )
        connection.execute("COMMIT")
        return True


@dataclass(frozen=True, slots=True)
class Line:
    """Where an entry lies in its log, and what is indexed of it."""

    offset: int
    size: int
    at_ms: int
    shape: Shape
    recipient: str
    words: str


@dataclass(frozen=True, slots=True)
class _Lines:
    entries: Sequence[Line]
    unread: int
    until_ms: int


def _lines_of(octets: bytes, offset: int, at_ms: int) -> _Lines:
    """The entries in a block of whole lines that lies at `offset`; one without a readable time has the one before."""
    entries, unread = [], 0
    for octets_of_line in octets.split(b"\n")[:-1]:
        entry = entry_of(octets_of_line)
        if entry is not None:
            at_ms = milliseconds_of(entry) or at_ms
            recipient = text_of(entry, "recipient").lower()
            shape, words = Shape.of(entry), searched_text(entry)
            entries.append(Line(offset, len(octets_of_line), at_ms, shape, recipient, words))
        elif octets_of_line:
            unread += 1
        offset += len(octets_of_line) + 1
    return _Lines(entries, unread, at_ms)


def entry_of(line: bytes) -> dict[str, Any] | None:
    """The entry in a line; None for a torn or foreign one."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _store(connection: sqlite3.Connection, lines: Sequence[Line]) -> None:
    ids: dict[Shape, int] = {}
    counts: dict[tuple[int, int], int] = {}
    for line in lines:
        if line.shape not in ids:
            ids[line.shape] = _shape_id(connection, line.shape)
        cell = (line.at_ms // SLOT_MS, ids[line.shape])
        counts[cell] = counts.get(cell, 0) + 1
    connection.executemany(
        "INSERT INTO entry VALUES (?, ?, ?, ?, ?)",
        [(line.offset, line.size, line.at_ms, ids[line.shape], line.recipient) for line in lines],
    )
    connection.executemany(
        "INSERT INTO words (rowid, text) VALUES (?, ?)",
        [(line.offset, line.words.encode("utf-8", "replace").decode()) for line in lines],
    )
    connection.executemany(
        "INSERT INTO tally VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET entries = entries + excluded.entries",
        [(*cell, count) for cell, count in counts.items()],
    )


def _shape_id(connection: sqlite3.Connection, shape: Shape) -> int:
    values = tuple(value.encode("utf-8", "replace").decode() for value in shape.as_row())
    connection.execute(
        "INSERT OR IGNORE INTO shape (severity, kind, outcome, server, cause, stage, title)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        values,
    )
    found = connection.execute(
        "SELECT id FROM shape WHERE severity = ? AND kind = ? AND outcome = ? AND server = ? AND cause = ?"
        " AND stage = ? AND title = ?",
        values,
    ).fetchone()
    return int(found[0])


def _writer(path: Path) -> sqlite3.Connection:
    # Synced now and then only: after a power loss the index is made anew or goes on from an earlier octet.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.close(descriptor)
    connection = sqlite3.connect(path, isolation_level=None, timeout=1.0)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _begin(connection: sqlite3.Connection, inode: int) -> None:
    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
    connection.execute("INSERT INTO progress VALUES (0, ?, 0, 0)", (inode,))


def _day_start_ms(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1_000)
