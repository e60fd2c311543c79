"""The load planner: from all schedules, sizes, limits and history, when the reports of a day will really have left."""

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Min, Q

from postroom.policy.planner import Load, Move, Plan, Road, moves, planned
from postroom.policy.rules import Traits
from postroom.policy.schedule import Schedule, ScheduleFault, following
from postroom.store.hot_reads import delivery_rules, smtp_servers
from postroom.store.models import Message, Run, RunRecipient, SmtpServer, Subscriber, Subscription
from postroom.store.waiting import waiting_for
from postroom.terms.problem import Problem

from ..acceptance.current import current_of
from ..acceptance.sending_server import sending_server
from ..servers.delivery_rules import rule_of
from .load_facts import roads
from .schedules import days_off_of, schedule_of

# A plan goes on after its day, so that what is late has an end.
HOURS_AFTER = 12
MOST_WAITING = 100_000
# Instants of one subscription closer than this count together.
_TOGETHER = timedelta(minutes=30)
# What a message has beside its report, and how much an attachment grows in base64 lines.
_FRAME = 12_000
_GROWTH = 1.37
_WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """`plan` covers the time from `begin` to the end of the day and some hours; `roads` are the servers in use."""

    day: date
    begin: datetime
    end_of_day: datetime
    plan: Plan
    moves: Sequence[Move]
    roads: Sequence[Road]


@dataclass(frozen=True, slots=True)
class Size:
    """What one run of a subscription is expected to queue; `known` from a run that was, else estimated."""

    messages: int
    octets: int
    known: bool


def load_plan(day: date, zone: ZoneInfo, now: datetime) -> LoadPlan:
    """For a day of the zone, from now on where it is today (blocking). Raises DatabaseError."""
    end = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
    begin = max(datetime.combine(day, time(), zone).astimezone(UTC), now).replace(second=0, microsecond=0)
    servers = [server for server in smtp_servers() if server.enabled]
    of_server = _waiting_now(servers, begin) if begin <= now else []
    loads = [*of_server, *_loads(begin, end)] if begin < end else []
    used = {load.road for load in loads}
    taken = roads([server for server in servers if server.pk in used], now)
    hours = max(1, -(-int((end - begin).total_seconds()) // 3_600)) + HOURS_AFTER
    plan = planned(loads, taken, begin, hours)
    return LoadPlan(day, begin, end, plan, moves(plan, loads, taken, begin, hours), taken)


def sizes_of(subscriptions: Sequence[Subscription]) -> dict[str, Size]:
    """By the subscription's id: as the last run that was sent, else as its recipients and a small report."""
    ids = [row.pk for row in subscriptions]
    newest = Run.objects.filter(subscription__in=ids, only_to="", queued__gt=0).values("subscription")
    last_ids = [each["newest"] for each in newest.annotate(newest=Max("pk"))]
    last = {run.subscription_id: run for run in Run.objects.filter(pk__in=last_ids).select_related("report")}
    octets, reached = _message_octets(last_ids), _reached([pk for pk in ids if pk not in last])
    return {
        row.pk: _size(last[row.pk], octets) if row.pk in last
        else Size(reached.get(row.pk, 0), _FRAME, known=False)
        for row in subscriptions
    }


def _reached(ids: Sequence[str]) -> dict[str, int]:
    """How many each reaches, those of several groups counted in each."""
    rows = Subscriber.objects.filter(subscription__in=ids).values("subscription")
    counted = rows.annotate(alone=Count("pk", filter=Q(group=None), distinct=True), members=Count("group__memberships"))
    return {each["subscription"]: each["alone"] + each["members"] for each in counted}


def _size(run: Run, octets: Mapping[str, int]) -> Size:
    """Of a message of the run, else out of its report."""
    report = round(run.report.size_bytes * _GROWTH) if run.report is not None else 0
    return Size(run.planned - run.left_out or run.queued, octets.get(run.pk, _FRAME + report), known=True)


def _message_octets(runs: Sequence[str]) -> dict[str, int]:
    """Of one message of each run whose messages are still there."""
    sent = RunRecipient.objects.filter(run__in=runs).exclude(message_id="").values("run")
    messages = {each["one"]: each["run"] for each in sent.annotate(one=Min("message_id"))}
    sizes = Message.objects.filter(pk__in=list(messages)).values_list("pk", "content_size")
    return {messages[pk]: size for pk, size in sizes}


def _loads(begin: datetime, end: datetime) -> list[Load]:
    found: list[Load] = []
    standard = _standard_server()
    rows = list(Subscription.objects.filter(paused_at=None, next_at__lt=end).select_related("calendar"))
    sizes = sizes_of(rows)
    for row in rows:
        try:
            schedule, days_off = schedule_of(row.schedule), days_off_of(row.calendar)
        except ScheduleFault:
            continue  # its page says what is wrong, and it will not run
        if schedule is None:
            continue
        size, road = sizes[row.pk], row.server_id or standard
        found += [
            Load(row.pk, row.name, at, road, size.messages * count, size.octets)
            for at, count in _instants(schedule, days_off, begin, end)
        ]
    return found


def _instants(
    schedule: Schedule, days_off: Container[date], begin: datetime, end: datetime
) -> Collection[tuple[datetime, int]]:
    """From `begin` until before `end`; those within half an hour as one, with their number."""
    grouped: dict[int, tuple[datetime, int]] = {}
    for at in following(schedule, begin - timedelta(seconds=1), days_off):
        if at >= end:
            break
        stretch = int((at - begin) / _TOGETHER)
        first, count = grouped.get(stretch, (at, 0))
        grouped[stretch] = (first, count + 1)
    return grouped.values()


def _standard_server() -> str:
    """The server of reports whose subscription names none, "" where there is none."""
    current = current_of(smtp_servers(), map(rule_of, delivery_rules()))
    try:
        return sending_server(None, current, lambda: Traits(purpose="report")).sender.id
    except Problem:
        return ""


def _waiting_now(servers: Sequence[SmtpServer], begin: datetime) -> list[Load]:
    waiting = ((server, waiting_for(server.pk, MOST_WAITING)) for server in servers)
    return [Load("", _WAITING, begin, server.pk, count, _FRAME) for server, count in waiting if count]
