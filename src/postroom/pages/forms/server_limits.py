"""The limits of a server as a person types them."""

import re
from dataclasses import fields
from typing import Any

from django.utils.translation import gettext_lazy as _

from postroom.terms.server import Limits

PREFIX = "limits."
NAMES = tuple(field.name for field in fields(Limits))
LABELS = {
    "connections": _("Connections at a time"),
    "messages_per_connection": _("Messages per connection"),
    "messages_per_minute": _("Messages per minute"),
    "messages_per_day": _("Messages per day"),
    "recipients_per_message": _("Recipients per message"),
    "size_bytes": _("Message size"),
}
_UNITS = {"": 1, "b": 1, "kb": 1_024, "mb": 1_024**2, "gb": 1_024**3}
_SIZE = re.compile(r"([0-9]{1,12}) *([kmg]?b)?", re.IGNORECASE)
_LARGEST = 10**15


def typed_limits(limits: Limits) -> dict[str, str]:
    """The text of each field, by its name in the form: "limits.size_bytes" to "25 MB"."""
    return {PREFIX + name: _typed(name, getattr(limits, name)) for name in NAMES}


def read_limits(typed: dict[str, Any]) -> Limits:
    """What the fields mean; 0, which no limit may be, for a text that is no number."""
    return Limits(**{name: _meant(name, str(typed.get(PREFIX + name, ""))) for name in NAMES})


def _typed(name: str, value: int | None) -> str:
    if value is None:
        return ""
    if name == "size_bytes":
        for unit in ("GB", "MB", "kB"):
            if value and value % _UNITS[unit.lower()] == 0:
                return f"{value // _UNITS[unit.lower()]} {unit}"
    return str(value)


def _meant(name: str, text: str) -> int | None:
    bare = text.strip()
    if not bare:
        return None
    found = _SIZE.fullmatch(bare)
    if found is None or (found[2] and name != "size_bytes"):
        return 0
    value = int(found[1]) * _UNITS[(found[2] or "").lower()]
    return value if value <= _LARGEST else 0
