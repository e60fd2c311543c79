"""What keeps work beside deliveries from being done, for the doctor and the pages: a row while it lasts."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from django.utils.dateparse import parse_datetime

from .models import InstanceValue

_NAME = "looker_fault:"
_TEXT_CHARACTERS = 1_000


class LookerFault(NamedTuple):
    """Of the looker of that name: since when no look of it went well, and what the last one came to."""

    name: str
    since: datetime
    text: str


def store_fault(name: str, since: datetime, text: str) -> None:
    """Note it (blocking). Raises DatabaseError."""
    value = {"since": since.isoformat(), "text": text[:_TEXT_CHARACTERS]}
    InstanceValue.objects.update_or_create(name=f"{_NAME}{name}", defaults={"value": value})


def forget_fault(name: str) -> None:
    """A look went well (blocking). Raises DatabaseError."""
    InstanceValue.objects.filter(pk=f"{_NAME}{name}").delete()


def looker_faults() -> list[LookerFault]:
    """All of them, longest first (blocking). Raises DatabaseError."""
    rows = InstanceValue.objects.filter(name__startswith=_NAME)
    found = [fault for row in rows if (fault := _read(row.name.removeprefix(_NAME), row.value)) is not None]
    return sorted(found, key=lambda fault: fault.since)


def _read(name: str, value: object) -> LookerFault | None:
    stored = value if isinstance(value, Mapping) else {}
    since = parse_datetime(str(stored.get("since", "")))
    return LookerFault(name, since, str(stored.get("text", ""))) if since is not None and since.tzinfo else None
