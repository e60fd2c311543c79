"""A report out of a file: the newest that matches a pattern below a folder that the operator named.

Every step down is opened by name within the folder opened before, and never through a symbolic link, so that nothing
outside of the root is read, whatever changes meanwhile. A file that somebody still writes is no report yet.
"""

import fnmatch
import glob
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from postroom.smtp.text import printable
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import worded

# What changed less than this ago may still be growing; it is looked at again after as long.
SETTLED_S = 2.0
ENTRIES = 20_000
_READ_BYTES = 256 * 1024
_WILD = ("*", "?", "[")


@dataclass(frozen=True, slots=True)
class FilePattern:
    """Where to look: a named root, a pattern below it such as "sales/*.csv", and how old the file may be at most, in
    seconds (0: any age)."""

    root: Path
    pattern: str
    fresh_within_s: int = 0

    def with_values(self, values: Mapping[str, str]) -> "FilePattern":
        """The pattern with each {name} replaced; a value is never a wildcard or another folder."""
        text = self.pattern
        for name, value in values.items():
            text = text.replace("{" + name + "}", glob.escape(value.replace("/", "_")))
        return FilePattern(self.root, text, self.fresh_within_s)


@dataclass(frozen=True, slots=True)
class _Found:
    path: tuple[str, ...]
    modified_s: float


def read_newest(
    wanted: FilePattern, now: datetime, write: Callable[[bytes], None], most_bytes: int,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Write the octets of the newest matching file; its path below the root. Raises SourceFault, and OSError of
    `write` (blocking)."""
    newest = _newest(wanted)
    _refuse_stale(wanted, newest, now)
    with _opened(wanted.root, newest.path) as descriptor:
        before = os.fstat(descriptor)
        if time.time() - before.st_mtime < SETTLED_S:
            sleep(SETTLED_S)
        _refuse_change(descriptor, before, newest)
        if before.st_size > most_bytes:
            text = worded("The report is larger than {most} bytes.", most=most_bytes)
            raise SourceFault(SourceFaultKind.TOO_LARGE, text, _shown(newest))
        copied = _copied(descriptor, write, before.st_size + 1)
        if copied != before.st_size:
            raise _growing(newest)
        _refuse_change(descriptor, before, newest)
    return "/".join(newest.path)


def _copied(descriptor: int, write: Callable[[bytes], None], most_bytes: int) -> int:
    copied = 0
    while copied < most_bytes:
        try:
            piece = os.read(descriptor, _READ_BYTES)
        except OSError as error:
            text = worded("The file can't be read to its end.")
            raise SourceFault(SourceFaultKind.BROKEN_OFF, text, error.strerror or "") from error
        if not piece:
            break
        write(piece)
        copied += len(piece)
    return copied


def _newest(wanted: FilePattern) -> _Found:
    """Of several changed in the same instant the last by name."""
    parts = tuple(part for part in wanted.pattern.split("/") if part not in ("", "."))
    if not parts or ".." in parts:
        raise SourceFault(SourceFaultKind.SETTINGS, worded("The pattern names no file below its folder."))
    budget = iter(range(ENTRIES))
    with _opened_root(wanted.root) as root:
        found = list(_matches(root, parts, (), budget))
    if not found:
        text = worded("No file matches {pattern}.", pattern=printable(wanted.pattern, 200))
        raise SourceFault(SourceFaultKind.MISSING, text)
    return max(found, key=lambda file: (file.modified_s, file.path))


def _matches(folder: int, parts: tuple[str, ...], above: tuple[str, ...], budget: Iterator[int]) -> Iterator[_Found]:
    """The regular files below an opened folder that the parts of the pattern name."""
    part, rest = parts[0], parts[1:]
    for name in _names(folder, part, budget):
        if not rest:
            with suppress(OSError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    yield _Found((*above, name), status.st_mtime)
            continue
        try:
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            continue  # no folder, a link, or not ours to read: then nothing in it matches
        try:
            yield from _matches(below, rest, (*above, name), budget)
        finally:
            os.close(below)


def _names(folder: int, part: str, budget: Iterator[int]) -> list[str]:
    if not any(mark in part for mark in _WILD):
        return [part]
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if next(budget, None) is None:
                text = worded("More than {most} files lie there. Name the folder more exactly.", most=ENTRIES)
                raise SourceFault(SourceFaultKind.SETTINGS, text)
            if fnmatch.fnmatchcase(entry.name, part) and not entry.name.startswith("."):
                names.append(entry.name)
    return names


@contextmanager
def _opened_root(root: Path) -> Iterator[int]:
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        text = worded("The folder of the reports can't be read. Ask the operator of this machine.")
        raise SourceFault(SourceFaultKind.MISSING, text, error.strerror or "") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened(root: Path, path: tuple[str, ...]) -> Iterator[int]:
    """The file, opened step by step; a FIFO or a device is none."""
    with _opened_root(root) as folder:
        descriptor = os.dup(folder)
        try:
            for n, name in enumerate(path):
                kind = os.O_DIRECTORY if n < len(path) - 1 else os.O_NONBLOCK
                below = os.open(name, os.O_RDONLY | kind | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(0, "not a file")
        except OSError as error:
            os.close(descriptor)
            text = worded("The file can't be opened: {file}.", file=printable("/".join(path), 200))
            raise SourceFault(SourceFaultKind.UNREADABLE, text, error.strerror or "") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _refuse_stale(wanted: FilePattern, newest: _Found, now: datetime) -> None:
    age_s = int(now.timestamp() - newest.modified_s)
    if wanted.fresh_within_s and age_s > wanted.fresh_within_s:
        text = worded(
            "The newest file, {file}, was written {age} minutes ago; it may be {most} minutes old.",
            file=_shown(newest), age=age_s // 60, most=wanted.fresh_within_s // 60,
        )
        raise SourceFault(SourceFaultKind.STALE, text)


def _refuse_change(descriptor: int, before: os.stat_result, newest: _Found) -> None:
    after = os.fstat(descriptor)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise _growing(newest)


def _growing(newest: _Found) -> SourceFault:
    text = worded("Somebody is still writing {file}. A report is sent when it is whole.", file=_shown(newest))
    return SourceFault(SourceFaultKind.GROWING, text)


def _shown(newest: _Found) -> str:
    return printable("/".join(newest.path), 200)
