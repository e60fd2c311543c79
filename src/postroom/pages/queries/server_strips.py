"""How each server did over a period: a strip of cells, one for each bar of the charts above it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.utils import timezone
from django.utils.translation import gettext as _

from postroom.flow.servers.server_order import servers_in_order
from postroom.pages import words
from postroom.store.models import SmtpServer
from postroom.store.tallied import Count
from postroom.store.tally import Ending

from .period import Period

# Less than this share of deferrals is everyday greylisting.
SOME_DEFERRED = 0.05
KINDS = ("working", "some-deferred", "failing", "not-used")


@dataclass(frozen=True, slots=True)
class Cell:
    """`kind` is one of KINDS; `x` and `width` in percent."""

    kind: str
    x: float
    width: float
    words: str


@dataclass(frozen=True, slots=True)
class Strip:
    """`state` as states.look_of knows it, `sent` the deliveries that the server took in the period."""

    server: SmtpServer
    state: str
    cells: list[Cell]
    sent: int

    @property
    def state_words(self) -> str:
        """What the badge says, "" for the state's own word."""
        if self.state == "failing" and self.server.failing_since is not None:
            return _("Failing since %(when)s") % {"when": words.since(self.server.failing_since)}
        return ""

    @property
    def summary(self) -> str:
        """The strip in one sentence."""
        kinds = [cell.kind for cell in self.cells]
        said = [
            _("%(kind)s %(n)d") % {"kind": _kind_word(kind), "n": kinds.count(kind)} for kind in KINDS if kind in kinds
        ]
        return _("%(server)s, of %(all)d stretches: %(kinds)s") % {
            "server": self.server.name, "all": len(kinds), "kinds": ", ".join(said),
        }


def strips(period: Period, counts: Sequence[Count], now: datetime | None = None) -> list[Strip]:
    """One for each server in the order of delivery; the sandbox only when it has work or nobody else has."""
    now = now or timezone.now()
    by_server: dict[str, list[Count]] = {}
    for count in counts:
        by_server.setdefault(count.server_id, []).append(count)
    return [
        Strip(
            server, server.state if server.enabled else "disabled",
            _cells(period, by_server.get(server.pk, []), server, now),
            sum(c.attempts for c in by_server.get(server.pk, []) if c.ending is Ending.SENT),
        )
        for server in servers_in_order()
        if not server.is_sandbox or server.is_default or server.pk in by_server
    ]


def _cells(period: Period, counts: Iterable[Count], server: SmtpServer, now: datetime) -> list[Cell]:
    ended: list[dict[Ending, int]] = [{} for _start in period.starts]
    for count in counts:
        ended[count.stretch][count.ending] = count.attempts
    failing_since = server.failing_since if server.enabled else None
    slot, cells = 100 / len(ended), []
    kinds = {kind: _kind_word(kind) for kind in KINDS}
    for n, (since, until) in enumerate(pairwise(period.bounds)):
        fails = failing_since is not None and failing_since < until and since <= now
        kind = _kind(ended[n], fails)
        said = _("%(span)s: %(kind)s") % {"span": period.spans[n], "kind": kinds[kind]}
        cells.append(Cell(kind, round(n * slot, 3), round(slot * 0.8, 3), said))
    return cells


def _kind(ended: dict[Ending, int], fails: bool) -> str:
    """Refused recipients say nothing of the server, and one that only deferred need not be at fault."""
    if fails or (ended.get(Ending.FAULT) and not ended.get(Ending.SENT)):
        return "failing"
    if not ended:
        return "not-used"
    later = sum(ended.get(ending, 0) for ending in (Ending.FAULT, Ending.DEFERRED, Ending.UNCERTAIN))
    return "some-deferred" if later >= SOME_DEFERRED * sum(ended.values()) else "working"


def _kind_word(kind: str) -> str:
    return {
        "working": _("working"), "some-deferred": _("some deferred"), "failing": _("failing"),
        "not-used": _("not used"),
    }[kind]
