"""What the fields of a schedule say back: how it was understood, the next runs, and what clock changes do to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext as _

from postroom.flow.instance.instance import site, time_zones
from postroom.flow.instance.reader import language, translated
from postroom.flow.subscriptions.schedules import days_off_of
from postroom.pages import words
from postroom.pages.forms.schedule_builder import builder_context
from postroom.policy.schedule import ScheduleFault, described, instants, notes, parsed
from postroom.store.models import HolidayCalendar

SHOWN = 5
_TYPED_CHARACTERS = 250


@dataclass(frozen=True, slots=True)
class NextRun:
    """One line: "Mon 16 Mar", "07:30", "CET, UTC+1", "in 4 days"; `at` for machines."""

    at: datetime
    day: str
    clock: str
    offset: str
    until: str


@dataclass(frozen=True, slots=True)
class Understood:
    """`text` is what was understood, "" for nothing typed; `fault` what was not, and `field` where."""

    text: str
    fault: str
    field: str
    zone: str
    runs: Sequence[NextRun]
    notes: Sequence[str]


def schedule_context(typed: Mapping[str, Any], now: datetime | None = None) -> dict[str, Any]:
    """For the parts schedule_fields and schedule_next: `typed` has words, cron, time_zone and calendar."""
    found = understood(typed, now or timezone.now())
    return {
        "schedule": found,
        "calendars": HolidayCalendar.objects.all(),
        "zones": time_zones() if found.field == "time_zone" else time_zones(found.zone),
        **builder_context(),
    }


def understood(typed: Mapping[str, Any], now: datetime) -> Understood:
    """Never raises for what was typed."""
    zone = str(typed.get("time_zone") or site().time_zone)[:_TYPED_CHARACTERS]
    named = "words" if str(typed.get("words") or "").strip() else "cron"
    text = str(typed.get(named) or "").strip()[:_TYPED_CHARACTERS]
    if not text:
        return Understood("", "", "", zone, (), ())
    calendar = HolidayCalendar.objects.filter(pk=str(typed.get("calendar") or "")[:26]).first()
    try:
        schedule, days_off = parsed(text, zone), days_off_of(calendar)
    except ScheduleFault as fault:
        field = fault.field if fault.field == "time_zone" else named
        return Understood("", translated(fault.text), field, zone, (), ())
    found = instants(schedule, now, days_off, SHOWN)
    told = notes(schedule, now, found, language(), days_off)
    return Understood(described(schedule, language()), "", "", zone, [_line(at, zone, now) for at in found], told)


def _line(at: datetime, zone: str, now: datetime) -> NextRun:
    with timezone.override(ZoneInfo(zone)):
        day = words.weekday_and_date(at)
        if timezone.localtime(at).year != timezone.localtime(now).year:
            day = f"{day} {timezone.localtime(at).year}"
        until = _("in %(span)s") % {"span": words.span((at - now).total_seconds())}
        return NextRun(at, day, words.clock(at), offset_text(at.astimezone(ZoneInfo(zone))), until)


def offset_text(local: datetime) -> str:
    """ "CET, UTC+1"; zones that have no letters of their own have the offset alone."""
    minutes = int((local.utcoffset() or timedelta()).total_seconds()) // 60
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    offset = f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "") if minutes else "UTC"
    name = local.tzname() or ""
    return f"{name}, {offset}" if name.isalpha() and name != offset else offset
