"""Runs of a subscription as their pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext_lazy

from postroom.flow.run_log import told_line
from postroom.store.models import Run, Subscription

CAUSES = {
    "schedule": gettext_lazy("by the schedule"),
    "catch-up": gettext_lazy("caught up"),
    "manual": gettext_lazy("by hand"),
    "push": gettext_lazy("its report was pushed"),
    "retry": gettext_lazy("tried again"),
}


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run of the list. `at` is its instant of the schedule, else when it was asked for; `problem` is why it did not
    succeed."""

    row: Run
    at: datetime
    cause: str
    problem: str

    @property
    def to_queue(self) -> int:
        return self.row.planned - self.row.left_out


def run_lines(subscription: Subscription, before: str, count: int) -> Sequence[RunLine]:
    """The newest runs, those of before an id."""
    found = subscription.runs.order_by("-pk")
    if before:
        found = found.filter(pk__lt=before)
    return [line_of(row) for row in found[:count]]


def line_of(row: Run) -> RunLine:
    problem = told_line(row.problem) if row.problem else ""
    return RunLine(row, row.nominal_at or row.created_at, str(CAUSES.get(row.cause, row.cause)), problem)
