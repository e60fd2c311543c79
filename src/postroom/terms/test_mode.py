"""Test mode: for a while, everything goes to one address, and says to whom it would have gone."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self


class Extent(StrEnum):
    """What is in test mode: the whole site, what goes through one server, or one subscription."""

    SITE = "site"
    SERVER = "server"
    SUBSCRIPTION = "subscription"


@dataclass(frozen=True, slots=True)
class TestMode:
    """Everything goes to `address` until `until`. `by` is who asked for it, `language` what the banner speaks."""

    # pytest takes classes of this name for tests otherwise.
    __test__ = False

    extent: Extent
    address: str
    until: datetime
    by: str = ""
    language: str = "en"

    def is_on(self, now: datetime) -> bool:
        return now < self.until

    def as_json(self) -> dict[str, str]:
        """As it is stored; the extent is told by where."""
        return {"address": self.address, "until": self.until.isoformat(), "by": self.by, "language": self.language}

    @classmethod
    def from_json(cls, extent: Extent, stored: Any) -> Self | None:
        """What `as_json` made, None for {} and null. Raises KeyError, TypeError or ValueError for anything else."""
        if not stored:
            return None
        until = datetime.fromisoformat(stored["until"])
        return cls(extent, str(stored["address"]), until, str(stored["by"]), str(stored.get("language", "en")))
