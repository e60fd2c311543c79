"""One statement about a domain, as data: its text is chosen when somebody reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from postroom.smtp.text import printable

from .sender import Record

# No RFC figure: how much of a record is quoted.
QUOTED_CHARACTERS = 450


class Status(StrEnum):
    """UNKNOWN: the DNS does not tell, or did not answer."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Part:
    """`slug` names the texts (texts.toml) and `values` what stands in them. `record` quotes the DNS, escaped and
    bounded; `add` are the records to publish; `page` is where the provider or the standard explains it."""

    slug: str
    status: Status
    values: Mapping[str, str] = field(default_factory=dict)
    record: str = ""
    add: tuple[Record, ...] = ()
    page: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "slug": self.slug,
            "status": str(self.status),
            "values": {name: printable(value, QUOTED_CHARACTERS) for name, value in self.values.items()},
            "record": "\n".join(printable(line, QUOTED_CHARACTERS) for line in self.record.split("\n")[:4]),
            "add": [
                {"name": each.name, "type": each.kind, "value": printable(each.value, QUOTED_CHARACTERS)}
                for each in self.add
            ],
            "page": self.page,
        }
