"""The bars above the activity log: entries of each half hour of the reader's day, errors apart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from postroom.store.activity_shape import Shape

BAR = timedelta(minutes=30)
# Units of the drawing: each bar has SLOT_WIDTH, of which BAR_WIDTH is drawn; the height stands for `Histogram.most`.
SLOT_WIDTH, BAR_WIDTH, HEIGHT = 20, 14, 100
_ROUND = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Bar:
    """One half hour; `x`, `top`, `height` and those of the errors in units of the drawing."""

    at: datetime
    until: datetime
    entries: int
    warnings: int
    errors: int
    x: int
    others_y: float
    others_height: float
    errors_y: float
    errors_height: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """`most` is the round number at the top of the axis; `hours` are labels below."""

    bars: Sequence[Bar]
    most: int
    width: int
    hours: Sequence[datetime]

    @property
    def half(self) -> int:
        return self.most // 2

    @property
    def busy(self) -> Sequence[Bar]:
        return [bar for bar in self.bars if bar.entries]


def histogram_of(bounds: tuple[datetime, datetime], points: Iterable[tuple[int, Shape, int]]) -> Histogram:
    """`points` are (milliseconds of the epoch, shape, entries) within the bounds. A day on which clocks change has
    46 or 50 bars."""
    start, end = (bound.astimezone(UTC) for bound in bounds)
    number = round((end - start) / BAR)
    sums = [[0, 0, 0] for _ in range(number)]
    start_ms, bar_ms = start.timestamp() * 1_000, BAR.total_seconds() * 1_000
    for at_ms, shape, entries in points:
        total = sums[min(max(0, int((at_ms - start_ms) // bar_ms)), number - 1)]
        total[0] += entries
        total[1] += entries if shape.severity == "warning" else 0
        total[2] += entries if shape.severity == "error" else 0
    most = _round_up(max(total[0] for total in sums))
    bars = [_bar(start, n, total, most) for n, total in enumerate(sums)]
    hours = [bars[n].at for n in range(0, number, 8)]
    return Histogram(bars, most, number * SLOT_WIDTH, hours)


def _bar(start: datetime, n: int, total: Sequence[int], most: int) -> Bar:
    entries, warnings, errors = total
    full = _height(entries, most)
    red = min(full, max(_height(errors, most), 2.0)) if errors else 0.0
    at = start + n * BAR
    return Bar(
        at, at + BAR, entries, warnings, errors, n * SLOT_WIDTH + (SLOT_WIDTH - BAR_WIDTH) // 2,
        HEIGHT - full + red, full - red, HEIGHT - full, red,
    )


def _height(entries: int, most: int) -> float:
    return max(1.5, round(entries / most * HEIGHT, 1)) if entries else 0.0


def _round_up(number: int) -> int:
    """The next number like 10, 20, 50, 100 …, so that its half is one, too."""
    scale = 10
    while True:
        for step in _ROUND:
            if number <= step * scale:
                return step * scale
        scale *= 10
