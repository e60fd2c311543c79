"""Recipients as a file: RFC 4180, with the names of the columns on the first line.

What goes out can be read by a spreadsheet without becoming a formula (W5), and taken over again as it is.
"""

import csv
import io
from collections.abc import Iterator, Sequence

from django.db.models import QuerySet

from postroom.store.models import GroupMember, Recipient, RecipientGroup
from postroom.terms.spreadsheet import neutral

COLUMNS = ("address", "name", "language", "time_zone", "groups")
_AT_ONCE = 500


def csv_parts(group: RecipientGroup | None = None) -> Iterator[str]:
    """The file part by part, sorted by address: everybody, or the members of a group."""
    rows = Recipient.objects.order_by("address_key")
    rows = rows if group is None else rows.filter(groups=group)
    names = value_names(rows)
    yield _lines([(*COLUMNS, *names)])
    some: list[Recipient] = []
    for row in rows.iterator(chunk_size=_AT_ONCE):
        some.append(row)
        if len(some) == _AT_ONCE:
            yield _lines(_cells(some, names))
            some = []
    yield _lines(_cells(some, names))


def value_names(rows: QuerySet[Recipient]) -> list[str]:
    """The names of all further values that any of them has."""
    names: set[str] = set()
    for values in rows.exclude(values={}).values_list("values", flat=True).iterator(chunk_size=_AT_ONCE):
        names.update(values)
    return sorted(names)


def _cells(rows: Sequence[Recipient], names: Sequence[str]) -> Iterator[Sequence[str]]:
    groups: dict[str, list[str]] = {}
    members = GroupMember.objects.filter(recipient_id__in=[row.pk for row in rows]).order_by("group__name")
    for recipient_id, name in members.values_list("recipient_id", "group__name"):
        groups.setdefault(recipient_id, []).append(name)
    for row in rows:
        values = ["" if (value := row.values.get(name)) is None else str(value) for name in names]
        yield (row.address, row.name, row.language, row.time_zone, "; ".join(groups.get(row.pk, ())), *values)


def _lines(rows: Iterator[Sequence[str]] | list[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([neutral(value) for value in row] for row in rows)
    return text.getvalue()
