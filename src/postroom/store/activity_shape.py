"""What entries of the activity log have in common: plain data, without files.

Entries of one shape differ only in time, message and recipient. There are few shapes and many entries, so whatever is
counted is counted by shape.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import Any

from .activity_log import TEXT_CHARACTERS

# Offsets of time zones are multiples of a quarter of an hour, so quarters add up to anybody's day.
SLOT_MS = 15 * 60 * 1_000
SEARCHED_CHARACTERS = 3
_PIECES = 40
_NOT_SEARCHED = frozenset(("at", "seconds", "severity", "kind", "server_id", "delivery"))


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """`title` is the English one of the cause, "" where the entry has none."""

    severity: str = "information"
    kind: str = ""
    outcome: str = ""
    server: str = ""
    cause: str = ""
    stage: str = ""
    title: str = ""

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Shape":
        values = {name: text_of(entry, name) for name in cls.__slots__ if name != "title"}
        values["severity"] = values["severity"] or "information"
        return cls(**values, title=text_of(entry, "title") if values["cause"] else "")

    @property
    def folds(self) -> bool:
        """Whether one entry can stand for all: a trouble that is not a single recipient's."""
        is_trouble = self.severity in ("error", "warning") and self.kind in ("session", "delivery") and self.cause != ""
        return is_trouble and self.stage != "recipient"

    def as_row(self) -> tuple[str, ...]:
        return astuple(self)


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which entries are asked for: any of the values of each name; `text` stands anywhere in the entry."""

    severity: frozenset[str] = field(default_factory=frozenset)
    kind: frozenset[str] = field(default_factory=frozenset)
    outcome: frozenset[str] = field(default_factory=frozenset)
    server: frozenset[str] = field(default_factory=frozenset)
    cause: frozenset[str] = field(default_factory=frozenset)
    recipient: frozenset[str] = field(default_factory=frozenset)
    text: str = ""

    NAMES = ("severity", "kind", "outcome", "server", "cause")

    def takes(self, shape: Shape, without: str = "") -> bool:
        """Whether entries of this shape fit; `without` leaves one name out, to count what its values would bring."""
        for name in self.NAMES:
            wanted = getattr(self, name)
            if wanted and name != without and getattr(shape, name) not in wanted:
                return False
        return True

    @property
    def looks_inside(self) -> bool:
        """Whether the shape alone does not decide."""
        return bool(self.recipient or self.text)


def text_of(entry: Mapping[str, Any], name: str) -> str:
    """A value as bounded text, "" where there is none: a line of the log may come from anywhere."""
    value = entry.get(name)
    return "" if value is None else str(value)[:TEXT_CHARACTERS]


def searched_text(entry: Mapping[str, Any]) -> str:
    """What a search looks through: everything that a person would type."""
    return "\n".join(str(value)[:TEXT_CHARACTERS] for name, value in entry.items() if name not in _NOT_SEARCHED)


def milliseconds_of(entry: Mapping[str, Any]) -> int | None:
    """When it happened, in milliseconds of the epoch; None for a time that can't be read."""
    try:
        at = datetime.fromisoformat(str(entry.get("at")))
        return round(at.timestamp() * 1_000) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def pieces_of(text: str) -> str:
    """A text as a query of the index: each of its pieces of three letters stands somewhere. The index does not know
    where, so that what it finds must be read before it counts. "" for a text too short to have any."""
    pieces = dict.fromkeys(text[i:i + 3] for i in range(len(text) - 2))
    quoted = ('"' + piece.replace('"', '""') + '"' for piece in list(pieces)[:_PIECES] if "\0" not in piece)
    return " AND ".join(quoted)
