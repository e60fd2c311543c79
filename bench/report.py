"""What was measured, as a page of Markdown."""

from collections.abc import Sequence
from datetime import date

from . import machine
from .figures import Part
from .plan import Plan


def summary(parts: Sequence[Part]) -> list[str]:
    """One line for each goal."""
    return [f"({part.letter}) {goal}" for part in parts for goal in part.goals]


def page(parts: Sequence[Part], plan: Plan, on: date) -> str:
    """The whole page."""
    share = "" if plan.share == 1 else f" {plan.share:.0%} of the messages that a full run sends."
    lines = [
        f"# Benchmark of {on.isoformat()}",
        "",
        f"Made by `make bench`: peers and Postroom in turns, {plan.rounds} rounds, medians and (least to most).{share}"
        " Ratios are medians of the rounds' ratios. CPU is user and system time of all processes of what is measured.",
        "",
        "## Machine",
        "",
        *(f"* {line}" for line in machine.described()),
        "",
        "## Goals",
        "",
        "| part | goal | needed | reached | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for part in parts:
        for goal in part.goals:
            sign = "≤" if goal.at_most else "≥"
            needed = f"{sign} {goal.needed:g}{goal.reached.unit}"
            lines.append(f"| {part.letter} | {goal.name} | {needed} | {goal.reached} | {goal.verdict} |")
    for part in parts:
        lines += _section(part)
    return "\n".join(lines) + "\n"


def _section(part: Part) -> list[str]:
    lines = ["", f"## ({part.letter}) {part.title}", ""]
    if part.rows:
        lines += ["| | |", "| --- | --- |"]
        lines += [f"| {name} | {series} |" for name, series in part.rows.items()]
    lines += ["", *(f"* {remark}" for remark in part.remarks)] if part.remarks else []
    return lines
