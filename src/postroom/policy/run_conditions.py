"""Whether a report is worth sending: too few rows, or the same as last time, and a run stays quiet."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from postroom.terms.wording import Wording, worded

from .column_value import ColumnValue


class Verdict(StrEnum):
    """What becomes of a report: it is sent, it is not as a condition asks, or there is nothing in it to send."""

    SEND = "send"
    SKIP = "skip"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on a report, and why; `slug` is stable for scripts."""

    verdict: Verdict
    slug: str
    why: Wording


SEND = Judged(Verdict.SEND, "", worded("The report is as its conditions ask."))


def judged(conditions: Mapping[str, Any], row_count: int | None, digest: str, last_digest: str) -> Judged:
    """The verdict by `Subscription.conditions`. A report without rows is sent only where `least_rows` is 0; one that
    has no rows to count (`row_count` None), as a PDF, has enough of them."""
    least = conditions.get("least_rows")
    if row_count is not None:
        if least is None and row_count == 0:
            text = worded(
                "The report has no rows, so nothing was sent. Set the least number of rows to 0 to send it all the"
                " same, or to 1 to skip such a run without a warning."
            )
            return Judged(Verdict.EMPTY, "no-rows", text)
        if least is not None and row_count < least:
            few = worded("Rows of the report: {rows}. Asked for at least: {least}.", rows=row_count, least=least)
            return Judged(Verdict.SKIP, "too-few-rows", few)
    if conditions.get("only_if_changed") and digest == last_digest:
        return Judged(Verdict.SKIP, "unchanged", worded("The report is the same as the one that was sent last."))
    return SEND


def judged_by_column(condition: ColumnValue, hits: int) -> Judged:
    """The verdict where so many rows have the column's value."""
    if condition.rows == "any" and not hits:
        text = worded("No row has {formula}, so nothing was sent.", formula=condition.formula)
        return Judged(Verdict.SKIP, "no-such-row", text)
    if condition.rows == "no" and hits:
        text = worded("Rows that have {formula}: {rows}. With any of them nothing is sent.",
                      formula=condition.formula, rows=hits)
        return Judged(Verdict.SKIP, "such-a-row", text)
    return SEND
