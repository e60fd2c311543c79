"""A reason not to start."""

from typing import NamedTuple


class StartProblem(NamedTuple):
    """Why Postroom does not start. `id` is stable and documented in docs/operations.md."""

    id: str
    reason: str
    hint: str

    def __str__(self) -> str:
        return f"Postroom does not start [{self.id}]: {self.reason}.\n  {self.hint}"
