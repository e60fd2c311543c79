"""A line of the log that something leaves behind, as it is stored."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from .wording import Wording

# What is tried again and again keeps what happened last.
LINES = 200


class Level(StrEnum):
    """How much a line matters."""

    INFORMATION = "information"
    WARNING = "warning"
    ERROR = "error"


def with_line(log: list[Any], at: datetime, text: Wording, level: Level = Level.INFORMATION) -> list[Any]:
    """The log with one more line, as it is stored; the oldest lines go where there are too many."""
    line = {"at": at.isoformat(), "level": str(level), "text": str(text), "values": text.as_json()}
    return [*log, line][-LINES:]
