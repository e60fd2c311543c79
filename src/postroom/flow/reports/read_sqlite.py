"""Rows of an SQLite file for a report: opened for reading only, and nothing but reading is allowed.

The file lies below a folder that the operator named, like every other report. SQLite's own guards are all set: the file
is opened read-only, the connection is query-only, and an authorizer refuses what is not a read.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from postroom.policy.sql_query import SqlQuery
from postroom.smtp.text import printable
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import worded

BUSY_S = 5.0
_STEPS = 10_000
_LENGTH_BYTES = 16 * 1024 * 1024
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
_REFUSED_FUNCTIONS = ("load_extension", "fts3_tokenizer", "readfile", "writefile", "edit")


@contextmanager
def sqlite_rows(
    path: Path, query: SqlQuery, values: Mapping[str, Any], timeout_s: float
) -> Iterator[tuple[list[str], Iterator[Sequence[Any]]]]:
    """The columns and the rows. Raises SourceFault, also while rows are read (blocking)."""
    ends_s = time.monotonic() + timeout_s
    with _faults(ends_s, timeout_s), closing(_opened(path)) as database:
        database.set_progress_handler(lambda: time.monotonic() > ends_s, _STEPS)
        cursor = database.execute(query.numbered("?"), [values[name] for name in query.names])
        yield [str(column[0]) for column in cursor.description or ()], iter(cursor)


def sqlite_file(root: Path, path: str) -> Path:
    """The file that `path` names below the root, wherever links lead: still below it. Raises SourceFault."""
    folder = root.resolve()
    file = (folder / path).resolve()
    if folder not in file.parents:
        raise SourceFault(SourceFaultKind.NOT_ALLOWED, worded("The database does not lie below its folder."))
    if not file.is_file():
        text = worded("There is no database {file}.", file=printable(path, 200))
        raise SourceFault(SourceFaultKind.MISSING, text)
    return file


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None)
    database.execute("PRAGMA query_only = ON")
    database.execute("PRAGMA trusted_schema = OFF")
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LENGTH_BYTES)
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    database.set_authorizer(_verdict)
    return database


def _verdict(action: int, _first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _REFUSED_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


@contextmanager
def _faults(ends_s: float, timeout_s: float) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        said = printable(str(error), 300)
        if time.monotonic() > ends_s:
            text = worded("The query did not end within {most} s.", most=f"{timeout_s:g}")
            raise SourceFault(SourceFaultKind.TIMEOUT, text) from error
        if "locked" in said:
            text = worded("Somebody is changing the database just now.")
            raise SourceFault(SourceFaultKind.UNREACHABLE, text, said) from error
        if "not a database" in said:
            raise SourceFault(SourceFaultKind.UNREADABLE, worded("This file is no SQLite database."), said) from error
        if "unable to open" in said:
            text = worded("The database can't be opened. The engine has to be allowed to read the file and its folder.")
            raise SourceFault(SourceFaultKind.UNREADABLE, text, said) from error
        raise SourceFault(SourceFaultKind.QUERY, worded("The database does not take the query."), said) from error
