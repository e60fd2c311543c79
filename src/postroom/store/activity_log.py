"""The SMTP activity log: one JSON line for each session event, in a file for each UTC day.

`logs/YYYY-MM-DD/smtp-activity.jsonl`. A line is appended by one write to a file opened for appending, so that lines of
several processes never mix. Whatever a remote side said is escaped and bounded (O4, B11).
"""

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from json.encoder import encode_basestring
from pathlib import Path
from threading import Lock
from typing import Any

from postroom.smtp.text import printable

FILE_NAME = "smtp-activity.jsonl"
TEXT_CHARACTERS = 500
BLOCK_BYTES = 64 * 1024

FIELDS = (
    "at", "kind", "outcome", "server", "server_id", "recipient", "message_id", "message", "delivery", "test", "subject",
    "stage", "code", "enhanced", "reply", "cause", "title", "seconds", "severity",
    "moved_to",
)

_KNOWN = frozenset(FIELDS)


class ActivityLog:
    """The log in a folder, which is made when needed. Safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._day: date | None = None
        self._descriptor = -1

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one line. `at` is an aware time, now when absent; keys outside of `FIELDS` raise ValueError.

        Raises OSError when the disk refuses."""
        self.append_all((entry,))

    def append_all(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Write a line for each entry, those of a day by one write. Raises as `append`."""
        days: dict[date, list[str]] = {}
        for entry in entries:
            at = (entry.get("at") or datetime.now(UTC)).astimezone(UTC)
            days.setdefault(at.date(), []).append(_line(at, entry))
        for day, lines in days.items():
            octets = "".join(lines).encode("utf-8", "backslashreplace")
            with self._lock:
                if os.write(self._file_of(day), octets) != len(octets):
                    self._forget()  # opened again, the file gets an end to the torn line
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        with self._lock:
            self._forget()

    def days(self) -> list[date]:
        """The days that have a log, oldest first."""
        found = []
        for path in self._folder.glob(f"????-??-??/{FILE_NAME}"):
            with suppress(ValueError):
                found.append(date.fromisoformat(path.parent.name))
        return sorted(found)

    def read_day(
        self,
        day: date,
        *,
        outcome: str | None = None,
        cause: str | None = None,
        server: str | None = None,
        recipient: str | None = None,
        text: str | None = None,
        limit: int = 1_000,
    ) -> list[dict[str, Any]]:
        """At most `limit` entries of a day that fit all criteria given, newest first; `text` may stand in any value."""
        wanted = {"outcome": outcome, "cause": cause, "server": server, "recipient": recipient}
        exact = {name: value for name, value in wanted.items() if value is not None}
        found: list[dict[str, Any]] = []
        for line in _lines_from_end(self._folder / day.isoformat() / FILE_NAME):
            entry = _entry(line)
            if entry is None or any(entry.get(name) != value for name, value in exact.items()):
                continue
            if text is not None and text.lower() not in " ".join(map(str, entry.values())).lower():
                continue
            found.append(entry)
            if len(found) >= limit:
                break
        return found

    def _file_of(self, day: date) -> int:
        if self._day != day:
            self._forget()
            folder = self._folder / day.isoformat()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(folder / FILE_NAME, flags, 0o600)
            self._day = day
            self._end_torn_line()
        return self._descriptor

    def _end_torn_line(self) -> None:
        """A power loss may have left half a line; the next one must not continue it."""
        size_bytes = os.fstat(self._descriptor).st_size
        if size_bytes and os.pread(self._descriptor, 1, size_bytes - 1) != b"\n":
            os.write(self._descriptor, b"\n")

    def _forget(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._day = -1, None


def _line(at: datetime, entry: Mapping[str, Any]) -> str:
    """JSON piece by piece: less than half the time that the encoder takes for a dictionary."""
    if not entry.keys() <= _KNOWN:
        raise ValueError(f"the activity log knows no {', '.join(sorted(entry.keys() - _KNOWN))}")
    pieces = [f'{{"at":"{at.isoformat(timespec="milliseconds")}"']
    for name in FIELDS[1:]:
        value = entry.get(name)
        if value is None:
            continue
        if value.__class__ is not str:
            pieces.append(f'"{name}":{json.dumps(value)}')
        elif len(value) <= TEXT_CHARACTERS and value.isprintable():
            pieces.append(f'"{name}":{encode_basestring(value)}')
        else:
            pieces.append(f'"{name}":{encode_basestring(printable(value, TEXT_CHARACTERS))}')
    return ",".join(pieces) + "}\n"


def _entry(line: bytes) -> dict[str, Any] | None:
    """The entry in a line; None for a torn or foreign one."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _lines_from_end(path: Path) -> Iterator[bytes]:
    """The lines of a file, last first; none where there is no file."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        position, rest = file.seek(0, os.SEEK_END), b""
        while position > 0:
            step = min(BLOCK_BYTES, position)
            position -= step
            file.seek(position)
            first, *lines = (file.read(step) + rest).split(b"\n")
            rest = first
            yield from (line for line in reversed(lines) if line)
        if rest:
            yield rest
