"""What may be kept of a recipient, checked in one place for pages, API, command line and files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import isfinite
from typing import Any
from zoneinfo import available_timezones

from postroom.store.models import Recipient
from postroom.terms.address import AddressProblem, canonical, checked_name, parse_address
from postroom.terms.problem import FieldError
from postroom.terms.wording import Wording, worded

from ..instance.refusals import SettingsRefused

NAME_CHARACTERS = 150
VALUES = 50
VALUE_NAME_CHARACTERS = 64
VALUE_CHARACTERS = 1_000
FIELDS = ("address", "name", "language", "time_zone", "values")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,4})?")
# What a template can name: it stands behind a dot there.
_VALUE_NAME = re.compile(r"[^\W\d]\w*")
# No controls but line ends and tabs, and no halves of characters, which a database refuses.
_FINE_TEXT = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]*")


@dataclass(frozen=True, slots=True)
class Person:
    """A recipient, checked. Empty `language` and `time_zone` mean those of the installation."""

    address: str
    name: str = ""
    language: str = ""
    time_zone: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return canonical(self.address)

    def put_into(self, row: Recipient) -> None:
        row.address, row.address_key, row.name = self.address, self.key, self.name
        row.language, row.time_zone, row.values = self.language, self.time_zone, dict(self.values)

    @staticmethod
    def of(row: Recipient) -> "Person":
        return Person(row.address, row.name, row.language, row.time_zone, row.values)


def checked_person(given: Mapping[str, Any], before: Person | None = None) -> Person:
    """A recipient of these fields; those that are missing stay as they were. Raises SettingsRefused naming each field
    at fault."""
    kept = before or Person("")
    wanted = {name: given.get(name, getattr(kept, name)) for name in FIELDS}
    problems: list[FieldError] = []
    checked: dict[str, Any] = {}
    for name, check in _CHECKS.items():
        try:
            checked[name] = check(wanted[name])
        except _Refused as refused:
            problems.append(FieldError(name, "invalid", refused.args[0]))
    if problems:
        raise SettingsRefused(*problems)
    return Person(**checked)


def value_name(heading: str) -> str:
    """The name under which a column of a file is kept: "Sales region" becomes sales_region; "" for no name."""
    name = re.sub(r"\W+", "_", heading.strip().lower()).strip("_")
    return f"{'_' if name[:1].isdigit() else ''}{name}"[:VALUE_NAME_CHARACTERS]


class _Refused(Exception):
    pass


def _address(value: Any) -> str:
    try:
        address = str(parse_address(str(value or "").strip()))
    except AddressProblem as problem:
        raise _Refused(problem.text.followed_by(problem.remedy)) from None
    if len(address) > 254:
        raise _Refused(worded("Enter an address of at most {most} characters.", most=254))
    return address


def _name(value: Any) -> str:
    text = str(value or "").strip()
    try:
        name = checked_name(text)
    except AddressProblem as problem:
        raise _Refused(problem.text.followed_by(problem.remedy)) from None
    if len(name) > NAME_CHARACTERS:
        raise _Refused(worded("Shorten the name to {most} characters.", most=NAME_CHARACTERS))
    return name


def _language(value: Any) -> str:
    text = str(value or "").strip().replace("_", "-")
    if text and not _LANGUAGE.fullmatch(text := text[:3].lower() + text[3:]):
        raise _Refused(worded("Enter a language such as en, fr or pt-BR."))
    return text


def _time_zone(value: Any) -> str:
    text = str(value or "").strip()
    if text and text not in _zones():
        raise _Refused(worded("Enter a time zone such as Europe/Paris."))
    return text


@cache
def _zones() -> frozenset[str]:
    """Read once: it looks through a folder, and a file of recipients asks for each line."""
    return frozenset(available_timezones())


def _values(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or len(value) > VALUES:
        raise _Refused(worded("Enter at most {most} further values, each with a name.", most=VALUES))
    return {_value_name(name): _value(str(name), one) for name, one in value.items()}


def _value_name(name: Any) -> str:
    if not isinstance(name, str) or len(name) > VALUE_NAME_CHARACTERS or not _VALUE_NAME.fullmatch(name):
        raise _Refused(_said_of(str(name), worded("its name has letters, digits and underscores")))
    return name


def _value(name: str, value: Any) -> Any:
    if not isinstance(value, str | int | float | bool | None) or (isinstance(value, float) and not isfinite(value)):
        raise _Refused(_said_of(name, worded("enter text, a number, true or false")))
    if isinstance(value, int) and abs(value) > 2**53:
        raise _Refused(_said_of(name, worded("write a number so large as text")))
    if isinstance(value, str) and (len(value) > VALUE_CHARACTERS or not _FINE_TEXT.fullmatch(value)):
        fault = worded("it has at most {most} characters and no controls", most=VALUE_CHARACTERS)
        raise _Refused(_said_of(name, fault))
    return value


def _said_of(name: str, fault: Wording) -> Wording:
    return worded("“{name}” can't be kept: {fault}.", name=name[:VALUE_NAME_CHARACTERS], fault=fault)


_CHECKS = {"address": _address, "name": _name, "language": _language, "time_zone": _time_zone, "values": _values}
