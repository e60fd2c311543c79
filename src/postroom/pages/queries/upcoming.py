"""The runs that come next, for the overview."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from postroom.pages import words
from postroom.pages.queries.subscriptions import reached
from postroom.store.models import Subscription

SHOWN = 4


@dataclass(frozen=True, slots=True)
class NextRun:
    """A subscription with its next run: "15:00" and "in 28 min", or "Mon 07:30" and "16 Mar"."""

    subscription: Subscription
    clock: str
    how_far: str
    reaches: str


@dataclass(frozen=True, slots=True)
class Upcoming:
    """The next runs, and how many subscriptions there are, paused ones included."""

    runs: Sequence[NextRun]
    all: int


def upcoming(now: datetime | None = None) -> Upcoming:
    now = now or timezone.now()
    rows = list(Subscription.objects.filter(next_at__isnull=False, paused_at=None).order_by("next_at")[:SHOWN])
    names = reached([row.pk for row in rows])
    return Upcoming([_next_run(row, now, names.get(row.pk, "")) for row in rows], Subscription.objects.count())


def _next_run(row: Subscription, now: datetime, reaches: str) -> NextRun:
    at = row.next_at or now
    if timezone.localtime(at).date() == timezone.localtime(now).date():
        left_s = max(0.0, (at - now).total_seconds())
        how_far = _("in %(span)s") % {"span": words.short_span(left_s)} if left_s >= 1 else _("now")
        return NextRun(row, words.clock(at), how_far, reaches)
    clock = f"{date_format(timezone.localtime(at), 'D')} {words.clock(at)}"
    return NextRun(row, clock, words.date(at, now), reaches)
