"""Charts as SVG that the server draws: they need no script, print sharply and take their colours from the page.

Places across are percentages of the plot's width, so that a chart fills its card without stretching its texts; places
down are pixels of its fixed height.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 180
TOP = 8
BASE = 156
_FILLED = 0.8


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a stacked bar: `kind` names how it is filled."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A stacked bar in its slot; `x` and `width` in percent. `words` say what it shows."""

    slot_x: float
    slot_width: float
    x: float
    width: float
    parts: list[Part]
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line across at a round value."""

    value: int
    y: float


@dataclass(frozen=True, slots=True)
class Label:
    """A label below the plot; every second one gives way on a phone."""

    text: str
    x: float
    anchor: str
    gives_way: bool


def lines(highest: int) -> list[Line]:
    """Lines at two to five round values from 0 to at least `highest`."""
    step = _round_step(highest)
    top = max(1, math.ceil(highest / step)) * step
    return [Line(value, place(value, top)) for value in range(0, top + 1, step)]


def place(value: float, top: int) -> float:
    """How far down a value lies where `top` is the highest line's."""
    return round(BASE - (BASE - TOP) * value / top, 2)


def bars(series: Sequence[tuple[str, Sequence[int]]], top: int, words: Sequence[str]) -> list[Bar]:
    """A bar for each position of the series, which are stacked in their order."""
    slot = 100 / len(words)
    drawn = []
    for n, said in enumerate(words):
        total, parts = 0, []
        for kind, values in series:
            if values[n]:
                y, below = place(total + values[n], top), place(total, top)
                parts.append(Part(kind, y, round(below - y, 2)))
                total += values[n]
        x = n * slot
        drawn.append(
            Bar(_percent(x), _percent(slot), _percent(x + slot * (1 - _FILLED) / 2), _percent(slot * _FILLED), parts,
                said)
        )
    return drawn


def labels(texts: Sequence[str]) -> list[Label]:
    """Labels below the middle of their slots; those at the edges stay within the plot."""
    slot = 100 / len(texts)
    found: list[Label] = []
    for n, text in enumerate(texts):
        if text:
            x = (n + 0.5) * slot
            anchor = "start" if x < 4 else "end" if x > 96 else "middle"
            found.append(Label(text, _percent(x), anchor, len(found) % 2 == 1))
    return found


def area(values: Sequence[int | None], top: int) -> tuple[str, str]:
    """SVG paths of the line and of the area below it, across a box 100 wide; None leaves a gap."""
    slot = 100 / len(values)
    outline, ground = [], []
    for run in _runs(values):
        points = [(_percent((n + 0.5) * slot), place(value, top)) for n, value in run]
        if len(points) == 1:  # a line has two ends
            (x, y), half = points[0], slot / 2
            points = [(_percent(x - half), y), (_percent(x + half), y)]
        path = "L".join(f"{x} {y}" for x, y in points)
        outline.append(f"M{path}")
        ground.append(f"M{points[0][0]} {BASE}L{path}L{points[-1][0]} {BASE}Z")
    return "".join(outline), "".join(ground)


def _runs(values: Sequence[int | None]) -> list[list[tuple[int, int]]]:
    runs: list[list[tuple[int, int]]] = [[]]
    for n, value in enumerate(values):
        if value is not None:
            runs[-1].append((n, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _round_step(highest: int) -> int:
    wanted = max(1.0, highest / 4)
    power = 10 ** math.floor(math.log10(wanted))
    return next(int(factor * power) for factor in (1, 2, 5, 10) if factor * power >= wanted)


def _percent(value: float) -> float:
    return round(value, 3)
