"""Look at a file of recipients: what would become of each line if it were taken. Nothing is stored here."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from postroom.policy.recipient_domains import AllowedDomains
from postroom.smtp.text import printable
from postroom.store.models import GroupMember, Recipient, RecipientGroup
from postroom.terms.address import AddressProblem, canonical, parse_address
from postroom.terms.wording import worded

from ..domains.recipient_domains import allowed_domains, not_allowed
from ..instance.refusals import SettingsRefused
from .recipient_export import value_names
from .recipient_file import FileRefused, Row, rows_of
from .recipient_groups import NAME_CHARACTERS
from .recipient_values import Person, checked_person, value_name

# Headings under which people keep an address, a name and so on, in the languages of the pages.
HEADINGS = {
    "address": ("address", "email", "e_mail", "mail", "email_address", "e_mail_address", "adresse", "courriel",
                "adresse_e_mail", "adresse_électronique"),
    "name": ("name", "full_name", "display_name", "nom", "nom_complet"),
    "language": ("language", "lang", "langue"),
    "time_zone": ("time_zone", "timezone", "fuseau_horaire"),
    "groups": ("groups", "group", "groupes", "groupe"),
}
_FIELD_OF = {heading: field for field, headings in HEADINGS.items() for heading in headings}
_GIVEN = ("address", "name", "language", "time_zone")
_AT_ONCE = 500


class Fate(StrEnum):
    """What becomes of a line."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file. `problem` says why a bad one is left out; `groups` are the names of those it joins."""

    number: int
    fate: Fate
    typed: str
    person: Person | None = None
    groups: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What taking the file would do. `new_groups` are not there yet; `value_names` are the columns that are kept as
    further values; `known` are the recipients that are there already, by the key of their address."""

    lines: Sequence[Line]
    new_groups: tuple[str, ...] = ()
    value_names: tuple[str, ...] = ()
    known: Mapping[str, Recipient] = field(default_factory=dict)

    def count(self, fate: Fate) -> int:
        return sum(line.fate is fate for line in self.lines)

    @property
    def bad(self) -> list[Line]:
        return [line for line in self.lines if line.fate is Fate.BAD]

    @property
    def good(self) -> list[Line]:
        return [line for line in self.lines if line.fate is not Fate.BAD]


@dataclass(frozen=True, slots=True)
class _Read:
    """A line as it was read; an empty cell is not among what is `given`, so that it changes nothing."""

    number: int
    typed: str
    given: Mapping[str, Any]
    groups: tuple[str, ...] = ()
    key: str = ""
    problem: str = ""


def planned(octets: bytes, group: str = "") -> Plan:
    """What becomes of each line (blocking); `group` is the name of one that everybody joins. Raises FileRefused."""
    rows = rows_of(octets)
    columns = _columns(rows[0], value_names(Recipient.objects.all()))
    lines = [_read(row, columns or ("address",), group) for row in (rows if columns is None else rows[1:])]
    known = _known([line.key for line in lines if line.key])
    member_of = _member_of(known.values())
    domains, first_at = allowed_domains(), dict[str, int]()
    judged = [_judged(line, known.get(line.key), member_of, domains, first_at) for line in lines]
    named = {name for line in judged for name in line.groups}
    there = _group_names(sorted(named))
    names = tuple(name for name in columns or () if name and name not in HEADINGS)
    return Plan(judged, tuple(sorted(named - there)), names, known)


def _columns(first: Row, kept: Sequence[str]) -> tuple[str, ...] | None:
    """The field or value of each column by the names on the first line, `kept` being those of values that are there;
    None where that has none."""
    own = HEADINGS.keys() & set(first.cells)
    fields = tuple(_column(heading, kept, own) for heading in first.cells)
    if "address" not in fields:
        if any("@" in cell for cell in first.cells):
            return None
        raise FileRefused(worded(
            "The first line names no column of addresses. Name one “address”, or leave the names out and put the "
            "addresses into the first column."
        ))
    twice = next((name for name in fields if name and fields.count(name) > 1), None)
    if twice is not None:
        raise FileRefused(worded("Two columns mean “{name}”. Remove one.", name=twice))
    return fields


def _column(heading: str, kept: Sequence[str], own: Set[str]) -> str:
    """A name that a value has is that value's, unless it means a field that no column of its `own` stands for."""
    name = value_name(heading)
    field = _FIELD_OF.get(name, name)
    is_value = heading in kept and heading not in HEADINGS and (field in own or field not in HEADINGS)
    return heading if is_value else field


def _read(row: Row, columns: Sequence[str], group: str) -> _Read:
    cells = {name: cell for name, cell in zip(columns, row.cells, strict=False) if name and cell}
    typed = printable(cells.get("address", ""), 254)
    given: dict[str, Any] = {name: cells[name] for name in _GIVEN if name in cells}
    given["values"] = {name: value for name, value in cells.items() if name not in HEADINGS}
    named = (name.strip() for name in (*cells.get("groups", "").split(";"), group))
    groups = tuple(dict.fromkeys(name for name in named if name))
    try:
        key = canonical(str(parse_address(cells.get("address", ""))))
    except AddressProblem as problem:
        return _Read(row.number, typed, given, problem=problem.text.followed_by(problem.remedy))
    if any(len(name) > NAME_CHARACTERS or not name.isprintable() for name in groups):
        text = worded("The name of a group has at most {most} characters.", most=NAME_CHARACTERS)
        return _Read(row.number, typed, given, problem=text)
    return _Read(row.number, typed, given, groups, key)


def _judged(
    line: _Read, row: Recipient | None, member_of: Mapping[str, set[str]], domains: AllowedDomains,
    first_at: dict[str, int],
) -> Line:
    if line.problem:
        return Line(line.number, Fate.BAD, line.typed, problem=line.problem)
    first = first_at.setdefault(line.key, line.number)
    if first != line.number:
        return _bad(line, worded("The address is on line {number} already.", number=first))
    before = None if row is None else Person.of(row)
    try:
        values = _with(before.values if before else {}, line.given["values"])
        person = checked_person({**line.given, "values": values}, before)
    except SettingsRefused as refused:
        return _bad(line, refused.problems[0].text)
    if not domains.covers(domain := person.address.rpartition("@")[2]):
        return _bad(line, not_allowed(domain))
    fate = Fate.NEW
    if row is not None:
        stays = person == before and set(line.groups) <= member_of.get(row.pk, set())
        fate = Fate.SAME if stays else Fate.CHANGED
    return Line(line.number, fate, line.typed, person, line.groups)


def _with(kept: Mapping[str, Any], cells: Mapping[str, str]) -> dict[str, Any]:
    """The values that are kept and those of the file, all of them text: one that reads the same stays as it was."""
    same = {name for name, value in kept.items() if value is not None and str(value).strip() == cells.get(name)}
    return {**kept, **{name: cell for name, cell in cells.items() if name not in same}}


def _bad(line: _Read, problem: str) -> Line:
    return Line(line.number, Fate.BAD, line.typed, problem=problem)


def _known(keys: Sequence[str]) -> dict[str, Recipient]:
    rows: dict[str, Recipient] = {}
    for start in range(0, len(keys), _AT_ONCE):
        found = Recipient.objects.filter(address_key__in=keys[start : start + _AT_ONCE])
        rows.update({row.address_key: row for row in found})
    return rows


def _member_of(rows: Iterable[Recipient]) -> dict[str, set[str]]:
    """The names of the groups of each recipient, by id."""
    ids, names = [row.pk for row in rows], dict[str, set[str]]()
    for start in range(0, len(ids), _AT_ONCE):
        members = GroupMember.objects.filter(recipient_id__in=ids[start : start + _AT_ONCE])
        for recipient_id, name in members.values_list("recipient_id", "group__name"):
            names.setdefault(recipient_id, set()).add(name)
    return names


def _group_names(names: Sequence[str]) -> set[str]:
    """Those of the names that groups have."""
    found: set[str] = set()
    for start in range(0, len(names), _AT_ONCE):
        some = RecipientGroup.objects.filter(name__in=names[start : start + _AT_ONCE])
        found.update(some.values_list("name", flat=True))
    return found
