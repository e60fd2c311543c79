"""Instants of schedules become runs: each once, whatever the clock does, and what was missed as the rule says."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from postroom.flow.runs.scheduled_runs import begin_due_runs, correct_next_instants
from postroom.flow.subscriptions.schedules import next_instant
from postroom.store.models import HolidayCalendar, ReportSource, Run, Subscription

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)
EIGHT = START.replace(hour=8)


def subscription(words: str = "every day at 08:00", now: datetime = START, **values: object) -> Subscription:
    """One whose next instant is the first after `now`."""
    source, _ = ReportSource.objects.get_or_create(name="Pushed", kind="pushed")
    count = Subscription.objects.count()
    schedule = {"words": words, "time_zone": "UTC"}
    row = Subscription(name=f"Report {count}", list_name=f"report-{count}", source=source, schedule=schedule)
    for name, value in values.items():
        setattr(row, name, value)
    row.next_at = next_instant(schedule, row.calendar, now)
    row.save()
    return row


def instants_of(row: Subscription) -> list[datetime]:
    found = Run.objects.filter(subscription=row).order_by("nominal_at").values_list("nominal_at", flat=True)
    return [at for at in found if at is not None]


def test_an_instant_that_has_come_gives_a_run_and_the_next_instant() -> None:
    row = subscription()
    assert begin_due_runs(EIGHT - timedelta(seconds=1)) == 0
    assert begin_due_runs(EIGHT + timedelta(seconds=1)) == 1
    run = Run.objects.get()
    assert (run.nominal_at, run.cause, run.state, run.log) == (EIGHT, "schedule", "waiting", [])
    row.refresh_from_db()
    assert row.next_at == EIGHT + DAY


def test_s3_an_instant_gives_one_run_however_often_it_is_found_due() -> None:
    row = subscription()
    for _ in range(3):
        Subscription.objects.update(next_at=EIGHT)
        begin_due_runs(EIGHT + timedelta(seconds=1))
    assert instants_of(row) == [EIGHT]
    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.create(subscription=row, nominal_at=EIGHT, cause="schedule", due_at=EIGHT)


def test_what_is_paused_or_has_no_schedule_gives_no_run() -> None:
    subscription(paused_at=START)
    Subscription.objects.filter(pk=subscription().pk).update(schedule={}, next_at=EIGHT)
    assert begin_due_runs(EIGHT + DAY) == 0
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("catch_up", "within", "expected"),
    [
        ("none", DAY, []),
        ("last", DAY, [EIGHT + 3 * DAY]),
        ("all", timedelta(days=7), [EIGHT + day * DAY for day in range(4)]),
        ("all", timedelta(days=2), [EIGHT + 2 * DAY, EIGHT + 3 * DAY]),
    ],
)
def test_s4_after_three_days_down_the_catch_up_rule_says_what_is_made_up_for(
    catch_up: str, within: timedelta, expected: list[datetime]
) -> None:
    row = subscription(catch_up=catch_up, catch_up_within_s=int(within.total_seconds()))
    now = EIGHT + 3 * DAY + timedelta(hours=2)
    assert begin_due_runs(now) == len(expected)
    assert instants_of(row) == expected
    assert {run.cause for run in row.runs.all()} <= {"catch-up"}
    row.refresh_from_db()
    assert row.next_at == EIGHT + 4 * DAY
    assert begin_due_runs(now) == 0


def test_s4_the_default_makes_up_for_the_last_and_its_log_says_so() -> None:
    row = subscription()
    assert row.catch_up == "last"
    begin_due_runs(EIGHT + 3 * DAY + timedelta(hours=2))
    (run,) = row.runs.all()
    assert "2026-11-23 08:00 UTC" in run.log[0]["text"]
    assert "not made up for" in run.log[1]["text"]


@pytest.mark.parametrize("catch_up", ["none", "last", "all"])
def test_s4_an_instant_that_is_taken_up_a_minute_late_is_not_a_missed_one(catch_up: str) -> None:
    row = subscription(catch_up=catch_up)
    begin_due_runs(EIGHT + timedelta(minutes=1))
    assert [run.cause for run in row.runs.all()] == ["schedule"]


@pytest.mark.parametrize("catch_up", ["none", "last", "all"])
def test_s4_of_a_schedule_of_every_two_minutes_each_instant_of_the_last_five_is_on_time(catch_up: str) -> None:
    row = subscription("every 2 minutes", catch_up=catch_up)
    Subscription.objects.update(next_at=EIGHT)
    assert begin_due_runs(EIGHT + timedelta(minutes=4, seconds=30)) == 3
    assert instants_of(row) == [EIGHT + timedelta(minutes=minutes) for minutes in (0, 2, 4)]
    assert {run.cause for run in row.runs.all()} == {"schedule"}


def test_s4_a_schedule_of_each_minute_that_was_down_for_days_makes_up_for_a_bounded_number() -> None:
    row = subscription("every minute", catch_up="all", catch_up_within_s=10 * 86_400)
    assert begin_due_runs(START + 3 * DAY) == 101
    assert max(instants_of(row)) == START + 3 * DAY


@pytest.mark.parametrize("back", [timedelta(hours=1), DAY, timedelta(days=3_653)])
def test_s2_a_clock_that_goes_back_repeats_nothing_and_what_comes_after_it_still_runs(back: timedelta) -> None:
    row = subscription(now=START - timedelta(days=3))
    now = START - timedelta(days=3)
    while now < EIGHT + timedelta(minutes=30):
        begin_due_runs(now)
        now += timedelta(minutes=30)
    before = instants_of(row)
    assert before == [EIGHT - day * DAY for day in (3, 2, 1, 0)]
    for step in range(100):
        again = now - back + step * timedelta(minutes=30)
        correct_next_instants(again)
        begin_due_runs(again)
    after = instants_of(row)
    assert len(after) == len(set(after))
    assert {at for at in after if at > again} <= set(before)
    row.refresh_from_db()
    assert row.next_at is not None
    assert again < row.next_at <= again + DAY


@pytest.mark.parametrize("forward", [timedelta(hours=1), DAY, timedelta(days=3_653)])
@pytest.mark.parametrize(("catch_up", "most"), [("none", 0), ("last", 1), ("all", 1)])
def test_s2_a_clock_that_goes_forward_obeys_the_catch_up_rule(forward: timedelta, catch_up: str, most: int) -> None:
    row = subscription("every day at 06:20", catch_up=catch_up)
    begin_due_runs(START)
    begin_due_runs(START + forward)
    assert len(instants_of(row)) == most
    begin_due_runs(START + forward)
    assert len(instants_of(row)) == most


def test_s2_after_an_excursion_of_ten_years_the_schedule_goes_on_where_it_was() -> None:
    row = subscription()
    begin_due_runs(EIGHT)
    begin_due_runs(EIGHT + timedelta(days=3_653, hours=3))
    row.refresh_from_db()
    assert row.next_at is not None
    assert row.next_at.year == 2036
    now = EIGHT + timedelta(hours=1)
    assert correct_next_instants(now) == 1
    begin_due_runs(now)
    begin_due_runs(EIGHT + DAY)
    assert EIGHT + DAY in instants_of(row)
    assert instants_of(row).count(EIGHT) == 1


def test_days_off_give_no_run_and_are_not_made_up_for() -> None:
    calendar = HolidayCalendar.objects.create(name="Ours", countries=[], days=["2026-11-21", "2026-11-22"])
    row = subscription(calendar=calendar, catch_up="all", catch_up_within_s=30 * 86_400)
    begin_due_runs(EIGHT + 3 * DAY)
    assert instants_of(row) == [EIGHT, EIGHT + 3 * DAY]


def test_a_schedule_that_no_longer_reads_runs_what_was_due_and_says_that_nothing_follows() -> None:
    row = subscription()
    Subscription.objects.update(schedule={"words": "every day at 08:00", "time_zone": "Gone/Zone"})
    assert correct_next_instants(START) == 0
    assert begin_due_runs(EIGHT) == 1
    (run,) = row.runs.all()
    assert "no time after this one" in run.log[0]["text"]
    row.refresh_from_db()
    assert row.next_at is None


@pytest.mark.parametrize("damaged", [[], "every day", {"words": ["x"], "time_zone": 7}, {"cron": {}, "words": "x"}])
def test_d9_a_damaged_schedule_stops_no_other(damaged: object) -> None:
    first, second = subscription(), subscription()
    Subscription.objects.filter(pk=first.pk).update(schedule=damaged)
    correct_next_instants(START)
    begin_due_runs(EIGHT)
    assert instants_of(second) == [EIGHT]
    first.refresh_from_db()
    assert first.next_at != EIGHT
