"""The figures at the top of the overview, and what waits for a person."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from postroom.flow.delivery.sample_queue import oldest_waiting
from postroom.pages import words
from postroom.store import tallied
from postroom.store.ids import id_at
from postroom.store.models import Delivery, Message
from postroom.store.tally import Ending
from postroom.terms.outcome import DeliveryState

from .period import midnight

# Nobody reads more exact numbers than this of what waits, and counting stops there.
MOST_COUNTED = 10_000
# A queue is there to be emptied at once: what waits longer needs a look.
OLDEST_LIMIT = timedelta(minutes=10)
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Deliveries by state; a count of MOST_COUNTED + 1 stands for more."""

    counts: dict[DeliveryState, int]
    next_try_at: datetime | None
    oldest_at: datetime | None

    @property
    def depth(self) -> int:
        return sum(self.counts.values()) - self.counts[DeliveryState.HELD]

    @property
    def depth_words(self) -> str:
        return _counted(self.depth)

    @property
    def deferred_words(self) -> str:
        return _counted(self.counts[DeliveryState.DEFERRED])

    @property
    def parts_words(self) -> str:
        """ "14 queued, 23 deferred"."""
        queued = self.counts[DeliveryState.QUEUED] + self.counts[DeliveryState.SENDING]
        said = [
            _("%(n)s queued") % {"n": _counted(queued)},
            _("%(n)s deferred") % {"n": self.deferred_words},
        ]
        if uncertain := self.counts[DeliveryState.UNCERTAIN]:
            said.append(_("%(n)s uncertain") % {"n": _counted(uncertain)})
        return ", ".join(said)

    @property
    def oldest_s(self) -> float:
        return (timezone.now() - self.oldest_at).total_seconds() if self.oldest_at else 0.0

    @property
    def is_late(self) -> bool:
        return self.oldest_s > OLDEST_LIMIT.total_seconds()

    @property
    def limit_words(self) -> str:
        return words.short_span(OLDEST_LIMIT.total_seconds())

    @property
    def held(self) -> int:
        return self.counts[DeliveryState.HELD]

    @property
    def held_words(self) -> str:
        return _counted(self.held)


@dataclass(frozen=True, slots=True)
class Today:
    """What ended today. `failed_query` leads to the failed messages; `all_failed` when to exactly these."""

    sent: int
    failed: int
    sent_words: str
    failed_query: str
    all_failed: bool


def today(now: datetime | None = None) -> Today:
    now = now or timezone.now()
    begin = midnight(now)
    ended = tallied.totals(begin, now + timedelta(hours=1))
    sent, failed = ended.get(Ending.SENT, 0), ended.get(Ending.FAILED, 0)
    # The list goes by the time of acceptance, which may lie before today.
    accepted_today = Delivery.objects.filter(state=DeliveryState.FAILED, message_id__gte=id_at(begin))
    is_all = bool(failed) and _bounded_count(accepted_today) == failed
    query = "state=failed&period=today" if is_all else "state=failed&period=week"
    return Today(sent, failed, _against_last_week(sent, now), query, is_all)


def waiting(now: datetime | None = None) -> Waiting:
    states = (
        DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN,
        DeliveryState.HELD,
    )
    deferred = Delivery.objects.filter(state=DeliveryState.DEFERRED)
    return Waiting(
        {state: _bounded_count(Delivery.objects.filter(state=state)) for state in states},
        deferred.order_by("due_at").values_list("due_at", flat=True).first(),
        oldest_waiting(now or timezone.now()),
    )


def has_messages() -> bool:
    return Message.objects.exists()


def _against_last_week(sent: int, now: datetime) -> str:
    """Compared with the same weekday last week up to this time of day; "" where nothing was sent then."""
    then = timezone.localtime(now) - _WEEK
    before = tallied.totals(midnight(then), then).get(Ending.SENT, 0)
    if not before:
        return ""
    named = {"weekday": date_format(then, "l"), "n": words.number(before)}
    percent = round(100 * (sent - before) / before)
    if abs(percent) >= 200:
        return _("%(n)s by this time last %(weekday)s") % named
    named["percent"] = words.number(abs(percent))
    if percent > 0:
        return _("%(percent)s %% more than last %(weekday)s") % named
    if percent < 0:
        return _("%(percent)s %% less than last %(weekday)s") % named
    return _("as many as last %(weekday)s") % named


def _bounded_count(deliveries: QuerySet[Delivery]) -> int:
    # The state alone: counting then reads nothing but the index.
    return deliveries.values("state")[: MOST_COUNTED + 1].count()


def _counted(number: int) -> str:
    return f"{words.number(MOST_COUNTED)}+" if number > MOST_COUNTED else words.number(number)
