"""How a run ends, or waits: what it came to, in words and for scripts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postroom.store.models import Run
from postroom.terms.wording import Wording, worded

from .run_log import Level, problem_of

_LEVELS = {Run.State.WARNING: Level.WARNING, Run.State.ERROR: Level.ERROR}


@dataclass(frozen=True, slots=True)
class Ending:
    """The state that a run is about to have, and why. `slug` is stable for scripts, "" for a plain success;
    `evidence` is what somebody else said."""

    state: Run.State
    text: Wording
    slug: str = ""
    evidence: str = ""

    @property
    def level(self) -> Level:
        return _LEVELS.get(self.state, Level.INFORMATION)

    @property
    def problem(self) -> dict[str, Any] | None:
        """As it is stored with the run."""
        return problem_of(self.slug, self.text, self.evidence) if self.slug else None


class RunEnded(Exception):
    """The run can't go on."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.slug)
        self.ending = ending


class RunPostponed(Exception):
    """The run goes on at `due_at`; `text` says what it waits for."""

    def __init__(self, text: Wording, due_at: datetime) -> None:
        super().__init__(str(text))
        self.text, self.due_at = text, due_at


def failed(slug: str, text: Wording, evidence: str = "") -> Ending:
    return Ending(Run.State.ERROR, text, slug, evidence)


def stopped() -> Ending:
    return Ending(Run.State.CANCELLED, worded("The run was stopped. What was queued before still leaves."), "stopped")
