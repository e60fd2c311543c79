"""What deliveries came to over a period: bars of the chart, and the rows of its table."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.utils.translation import gettext as _

from postroom.pages import charts, words
from postroom.store.tallied import Count
from postroom.store.tally import Ending

from .period import Period

# A held delivery was not tried to its end, as an uncertain one: both need a look.
_SERIES = {
    "sent": (Ending.SENT,),
    "deferred": (Ending.DEFERRED, Ending.FAULT),
    "failed": (Ending.FAILED,),
    "uncertain": (Ending.UNCERTAIN, Ending.HELD),
}


@dataclass(frozen=True)
class DeliveriesChart:
    """`values` by kind, one for each bar of the period."""

    period: Period
    values: dict[str, list[int]]

    @classmethod
    def of(cls, period: Period, counts: Sequence[Count]) -> "DeliveriesChart":
        kinds = {ending: kind for kind, endings in _SERIES.items() for ending in endings}
        values = {kind: [0] * len(period.starts) for kind in _SERIES}
        for count in counts:
            values[kinds[count.ending]][count.stretch] += count.attempts
        return cls(period, values)

    @cached_property
    def totals(self) -> dict[str, int]:
        return {kind: sum(values) for kind, values in self.values.items()}

    @property
    def is_empty(self) -> bool:
        return not any(self.totals.values())

    @property
    def summary(self) -> str:
        """The chart in one sentence."""
        return _("Deliveries %(per)s in %(period)s: %(totals)s.") % {
            "per": self.period.per, "period": self.period.name, "totals": _said(self.totals),
        }

    @cached_property
    def lines(self) -> list[charts.Line]:
        stacked = [sum(each) for each in zip(*self.values.values(), strict=True)]
        return charts.lines(max(stacked))

    @property
    def bars(self) -> list[charts.Bar]:
        return charts.bars(list(self.values.items()), self.lines[-1].value, [
            _("%(span)s: %(counts)s") % {"span": span, "counts": _said(self._at(n))}
            for n, span in enumerate(self.period.spans)
        ])

    @property
    def labels(self) -> list[charts.Label]:
        return charts.labels(self.period.labels())

    @property
    def rows(self) -> list[tuple[str, dict[str, int]]]:
        """(span, counts by kind), the latest first."""
        return [(span, self._at(n)) for n, span in reversed(list(enumerate(self.period.spans)))]

    def _at(self, number: int) -> dict[str, int]:
        return {kind: values[number] for kind, values in self.values.items()}


def _said(counts: dict[str, int]) -> str:
    """ "12 sent, 1 deferred"; kinds of which there are none are left out."""
    patterns = {
        "sent": _("%(n)s sent"), "deferred": _("%(n)s deferred"), "failed": _("%(n)s failed"),
        "uncertain": _("%(n)s uncertain or held"),
    }
    said = [patterns[kind] % {"n": words.number(number)} for kind, number in counts.items() if number]
    return ", ".join(said) or _("none")
