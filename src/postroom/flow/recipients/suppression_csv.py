"""Suppressed recipients as a file: RFC 4180, with the names of the columns on the first line.

What goes out can be read by a spreadsheet without becoming a formula (W5), and read in again as it is.
"""

import csv
import io
from collections.abc import Iterator
from datetime import datetime

from postroom.store.models import Suppression
from postroom.terms.spreadsheet import neutral, plain
from postroom.terms.wording import worded

from ..instance.refusals import SettingsRefused
from .suppression import Entry, Reason, checked_entry, suppress

COLUMNS = ("address", "list", "reason", "since", "evidence")
FILE_BYTES = 8 * 1024 * 1024
# They are stored in one commit, for which deliveries wait.
LINES = 20_000
_AT_ONCE = 1_000


class CsvRefused(ValueError):
    """A file that can't be taken; `text` names the line and the remedy."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def csv_parts() -> Iterator[str]:
    """The file, part by part, oldest first."""
    yield _lines([COLUMNS])
    rows: list[tuple[str, ...]] = []
    for row in Suppression.objects.order_by("pk").iterator(chunk_size=_AT_ONCE):
        rows.append((row.address, row.list_name, row.reason, row.since.isoformat(), row.evidence))
        if len(rows) == _AT_ONCE:
            yield _lines(rows)
            rows = []
    yield _lines(rows)


def import_csv(octets: bytes, *, actor: str, now: datetime) -> tuple[int, int]:
    """How many were new, and how many known already. All are taken or none; raises CsvRefused."""
    entries = _entries(octets)
    new = len(suppress(entries, actor=actor, now=now))
    return new, len(entries) - new


def _lines(rows: list[tuple[str, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([neutral(value) for value in row] for row in rows)
    return text.getvalue()


def _entries(octets: bytes) -> list[Entry]:
    if len(octets) > FILE_BYTES:
        raise CsvRefused(worded("The file is larger than {most} bytes. Divide it.", most=FILE_BYTES))
    try:
        lines = csv.reader(io.StringIO(octets.decode("utf-8-sig"), newline=""), strict=True)
        return list(_read(lines))
    except UnicodeDecodeError:
        raise CsvRefused(worded("The file is not in UTF-8. Save it as CSV in UTF-8.")) from None
    except csv.Error as error:
        raise CsvRefused(worded("This is no CSV with commas between its columns: {fault}.", fault=error)) from None


def _read(lines: Iterator[list[str]]) -> Iterator[Entry]:
    """Entries by the names on the first line; a file without names has addresses in its first column."""
    names: list[str] | None = None
    for number, line in enumerate(lines, 1):
        if number > LINES + 1:
            raise CsvRefused(worded("The file has more than {most} lines. Divide it.", most=LINES))
        values = [plain(value.strip()) for value in line]
        if names is None:
            given = [value.lower() for value in values]
            names = given if "address" in given else ["address"]
            if "address" in given:
                continue
        if any(values):
            yield _entry(number, dict(zip(names, values, strict=False)))


def _entry(number: int, values: dict[str, str]) -> Entry:
    try:
        return checked_entry(
            values.get("address", ""), values.get("reason") or Reason.MANUAL, values.get("list", ""),
            values.get("evidence", ""),
        )
    except SettingsRefused as refused:
        fault = refused.problems[0].text
        raise CsvRefused(worded("Line {number}: {fault}", number=number, fault=fault)) from None
