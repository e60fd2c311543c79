"""The load plan as its page shows it: in the reader's words, with what limits each report and what to move."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from postroom.flow.subscriptions.load_plan import LoadPlan, load_plan
from postroom.pages import charts, words
from postroom.policy.planner import Arrival, Move
from postroom.policy.planner.plan import Bound
from postroom.policy.planner.spread import IN_TIME

DAYS = 7
_BOUNDS = {
    Bound.NOTHING: "", Bound.SESSIONS: gettext_lazy("sessions are busy"),
    Bound.MINUTE: gettext_lazy("limit per minute"), Bound.DAY: gettext_lazy("limit per day"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One report: `when` its last message has left, in words; `why` what held it."""

    arrival: Arrival
    name: str
    server: str
    due: str
    messages: str
    size: str
    first: str
    last: str
    after: str
    why: str
    is_late: bool


@dataclass(frozen=True, slots=True)
class RoadLine:
    """A server and what the forecast takes it to do."""

    name: str
    facts: str
    is_guess: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """Messages that leave, by hour of the day."""

    summary: str
    lines: Sequence[charts.Line]
    bars: Sequence[charts.Bar]
    labels: Sequence[charts.Label]


@dataclass(frozen=True, slots=True)
class Page:
    day: date
    days: Sequence[tuple[date, str]]
    lines: Sequence[Line]
    moves: Sequence[str]
    roads: Sequence[RoadLine]
    chart: Chart | None
    late: int
    headline: str


def page(asked: str, now: datetime) -> Page:
    """For a day of the reader's zone, today unless `asked` names one of the coming week."""
    zone = timezone.get_current_timezone()
    today = timezone.localdate(now)
    days = [today + timedelta(days=number) for number in range(DAYS)]
    day = _asked_day(asked, days)
    plan = load_plan(day, ZoneInfo(str(zone)), now)
    servers = {road.id: road.name for road in plan.roads}
    lines = [_line(arrival, servers, plan) for arrival in plan.plan.arrivals]
    late = sum(line.is_late for line in lines)
    return Page(
        day, [(each, _day_words(each, today)) for each in days], lines, [_move(move) for move in plan.moves],
        _roads(plan), _chart(plan) if lines else None, late, _headline(lines, late),
    )


def _asked_day(asked: str, days: Sequence[date]) -> date:
    try:
        found = parse_date(asked)
    except ValueError:
        return days[0]
    return found if found is not None and found in days else days[0]


def _day_words(day: date, today: date) -> str:
    if day == today:
        return _("today")
    noon = timezone.make_aware(datetime(day.year, day.month, day.day, 12))  # noqa: DTZ001  made aware here
    return _("tomorrow") if day == today + timedelta(days=1) else words.weekday_and_date(noon)


def _line(arrival: Arrival, servers: dict[str, str], plan: LoadPlan) -> Line:
    load, waited = arrival.load, arrival.late(plan.plan.end)
    name = load.name if load.key else _("Waiting now")
    after = words.span(waited.total_seconds()) if arrival.last_at else ""
    return Line(
        arrival, name, servers.get(load.road) or _("no server"), words.clock(load.at), words.number(load.messages),
        words.size(load.octets), words.clock(arrival.first_at) if arrival.first_at else "–",
        words.clock(arrival.last_at) if arrival.last_at else _("not within this forecast"), after,
        str(_BOUNDS[arrival.bound]) if waited > IN_TIME else "", waited > IN_TIME,
    )


def _headline(lines: Sequence[Line], late: int) -> str:
    if not lines:
        return ""
    if not late:
        return _("Everything leaves within %(span)s.") % {"span": words.span(IN_TIME.total_seconds())}
    text = ngettext(
        "%(n)s report takes longer than %(span)s.", "%(n)s reports take longer than %(span)s.", late
    )
    return text % {"n": words.number(late), "span": words.span(IN_TIME.total_seconds())}


def _move(move: Move) -> str:
    values = {
        "name": move.load.name, "to": words.clock(move.to), "at": words.clock(move.load.at),
        "before": words.span(move.before.total_seconds()), "after": words.span(move.after.total_seconds()),
    }
    if not move.after:
        return _("Run %(name)s at %(to)s instead of %(at)s: then nothing is late.") % values
    return _("Run %(name)s at %(to)s instead of %(at)s: lateness falls from %(before)s to %(after)s, all reports "
             "together.") % values


def _roads(plan: LoadPlan) -> list[RoadLine]:
    found = []
    for road in plan.roads:
        facts = [
            ngettext("%(n)s session", "%(n)s sessions", road.sessions) % {"n": words.number(road.sessions)},
            _("%(seconds)s a message each") % {"seconds": words.measured(road.pace.message_s, "s", 2)},
        ]
        if road.per_minute is not None:
            facts.append(_("at most %(n)s a minute") % {"n": words.number(road.per_minute)})
        if road.per_day is not None:
            facts.append(_("at most %(n)s a day") % {"n": words.number(road.per_day)})
        if (busiest := max(road.others)) >= 1:
            facts.append(_("up to %(n)s other messages a minute") % {"n": words.number(round(busiest))})
        found.append(RoadLine(road.name, ", ".join(facts), not road.pace.measured))
    return found


def _chart(plan: LoadPlan) -> Chart:
    hours = max(1, round((plan.end_of_day - plan.begin).total_seconds() / 3_600))
    counts = list(plan.plan.leaving[: hours + 1])
    starts = [plan.begin + timedelta(hours=number) for number in range(len(counts))]
    said = [
        _("%(clock)s: %(n)s messages") % {"clock": words.clock(at), "n": words.number(count)}
        for at, count in zip(starts, counts, strict=True)
    ]
    lines = charts.lines(max(1, *counts))
    labels = [words.clock(at) if number % 3 == 0 else "" for number, at in enumerate(starts)]
    busiest = max(range(len(counts)), key=lambda number: counts[number])
    summary = _("Messages that leave by hour, most at %(clock)s: %(n)s.") % {
        "clock": words.clock(starts[busiest]), "n": words.number(counts[busiest]),
    }
    return Chart(summary, lines, charts.bars((("sent", counts),), lines[-1].value, said), charts.labels(labels))
