"""How deep the queue was over a period."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.utils.translation import gettext as _

from postroom.pages import charts, words
from postroom.store.tallied import Depth

from .period import Period


@dataclass(frozen=True)
class QueueChart:
    """The deepest sample of each bar of the period, None where nobody looked."""

    period: Period
    deepest: list[Depth | None]

    @classmethod
    def of(cls, period: Period, depths: Sequence[Depth]) -> "QueueChart":
        by_number = {depth.stretch: depth for depth in depths}
        return cls(period, [by_number.get(n) for n in range(len(period.starts))])

    @cached_property
    def highest(self) -> Depth | None:
        """The first of the deepest, None where the queue was empty or nobody looked."""
        found = [depth for depth in self.deepest if depth is not None and depth.deliveries]
        return max(found, key=lambda depth: depth.deliveries, default=None)

    @property
    def is_unknown(self) -> bool:
        return all(depth is None for depth in self.deepest)

    @property
    def highest_words(self) -> str:
        """ "highest 65 at 06:30"."""
        if self.highest is None:
            return "" if self.is_unknown else _("always empty")
        said = {"n": words.number(self.highest.deliveries)}
        if self.period.slug in ("hour", "day"):
            return _("highest %(n)s at %(clock)s") % {**said, "clock": words.clock(self.highest.at)}
        return _("highest %(n)s (%(when)s)") % {**said, "when": words.day_and_clock(self.highest.at)}

    @property
    def summary(self) -> str:
        """The chart in one sentence."""
        return _("Queue depth in %(period)s: %(highest)s.") % {
            "period": self.period.name, "highest": self.highest_words or _("not known"),
        }

    @property
    def lines(self) -> list[charts.Line]:
        return charts.lines(self.highest.deliveries if self.highest else 1)

    @property
    def paths(self) -> dict[str, str]:
        values = [None if depth is None else depth.deliveries for depth in self.deepest]
        outline, ground = charts.area(values, self.lines[-1].value)
        return {"outline": outline, "ground": ground}

    @property
    def labels(self) -> list[charts.Label]:
        """Half of the period's labels: this chart is narrow."""
        kept = [label for label in charts.labels(self.period.labels()) if not label.gives_way]
        return [charts.Label(each.text, each.x, each.anchor, n % 2 == 1) for n, each in enumerate(kept)]

    @property
    def rows(self) -> list[tuple[str, Depth | None]]:
        """(span, deepest), the latest first."""
        return list(zip(self.period.spans, self.deepest, strict=True))[::-1]
