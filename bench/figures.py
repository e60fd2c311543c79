"""Figures of several rounds, the ratios between them, and the goals that they reach or miss."""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    MET = "met"
    MISSED = "missed"
    NOT_MEASURED = "not measured"


@dataclass(slots=True)
class Series:
    """One quantity in each round."""

    unit: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        if not self.values:
            return "-"
        middle = f"{shown(self.median)}{self.unit}"
        spread = f" ({shown(min(self.values))} to {shown(max(self.values))})"
        return middle + (spread if len(self.values) > 1 else "")


def shown(value: float) -> str:
    """Three figures are enough, and all of them before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


@dataclass(slots=True)
class Goal:
    """What a part is there to show; `needed` is the least, or with `at_most` the most, that meets it."""

    name: str
    needed: float
    reached: Series
    at_most: bool = False

    @property
    def verdict(self) -> Verdict:
        if not self.reached.values:
            return Verdict.NOT_MEASURED
        median = self.reached.median
        return Verdict.MET if (median <= self.needed if self.at_most else median >= self.needed) else Verdict.MISSED

    def __str__(self) -> str:
        sign = "at most" if self.at_most else "at least"
        reached = str(self.reached) if self.reached.values else "nothing"
        return f"{self.name}: goal {sign} {shown(self.needed)}{self.reached.unit}, reached {reached}: {self.verdict}"


@dataclass(slots=True)
class Part:
    """What one part measured. `rows` are figures by name, `remarks` sentences."""

    letter: str
    title: str
    rows: dict[str, Series] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str) -> None:
        """One more round's value of a quantity."""
        self.rows.setdefault(name, Series(unit)).values.append(value)

    def add_all(self, prefix: str, values: Mapping[str, float], unit: str) -> None:
        for name, value in values.items():
            self.add(f"{prefix} {name}", value, unit)

    def ratio(self, name: str, above: str, below: str, *, unit: str = "×") -> Series:
        """The ratio of two quantities, round by round; empty where one was not measured."""
        series = Series(unit, list(self._quotients(above, below)))
        if series.values:
            self.rows[name] = series
        return series

    def _quotients(self, above: str, below: str) -> Iterator[float]:
        if above in self.rows and below in self.rows:
            for a, b in zip(self.rows[above].values, self.rows[below].values, strict=False):
                if b:
                    yield a / b

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        yield f"({self.letter}) {self.title}"
        width = max((len(name) for name in self.rows), default=0)
        for name, series in self.rows.items():
            yield f"    {name:{width}}  {series}"
        yield from (f"    {remark}" for remark in self.remarks)
        yield from (f"  {goal}" for goal in self.goals)
