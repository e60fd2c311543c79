"""The secret that a source or a connection keeps: sealed to where it goes, and asked for again where that changes (T4).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from postroom.store.ids import new_id
from postroom.store.models import ReportSource, SqlConnection
from postroom.terms.problem import FieldError
from postroom.terms.wording import Wording

from .source_settings import source_vault


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """A secret by its API name: the column that holds it, what it may be, and what to say of one that is refused
    because it can't be one, has nowhere to go, or was meant for somewhere else."""

    name: str
    column: str
    fits: Callable[[str], bool]
    invalid: Wording
    unused: Wording
    meant_elsewhere: Wording

    def set(
        self, row: ReportSource | SqlConnection, given: Any, destinations: tuple[str, str], problems: list[FieldError]
    ) -> None:
        """Seal what is `given`; None keeps the stored one, "" removes it. `destinations`: where it went before and
        where it goes now, "" where none can go."""
        before, now = destinations
        if given and not now:
            problems.append(FieldError(self.name, "unused", self.unused))
        elif given and not self.fits(str(given)):
            problems.append(FieldError(self.name, "invalid", self.invalid))
        elif given:
            self._store(row, source_vault().seal(str(given), now), new_id())
        elif given == "" or not now:
            self._store(row, "", "")
        elif getattr(row, self.column) and before != now:
            problems.append(FieldError(self.name, "destination-changed", self.meant_elsewhere))

    def _store(self, row: ReportSource | SqlConnection, sealed: str, secret_id: str) -> None:
        setattr(row, self.column, sealed)
        row.secret_id = secret_id
