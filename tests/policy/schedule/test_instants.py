"""When schedules are due: all zones, clock changes, calendars."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.policy.schedule import Days, Schedule, days_off, instants, latest, parsed

HOUR = timedelta(hours=1)
_instants_of_years = st.integers(1_577_836_800, 2_051_222_400).map(lambda second: datetime.fromtimestamp(second, UTC))
FIRST, LAST = datetime(2025, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)


def _transitions(zone: ZoneInfo) -> list[datetime]:
    """The instants between the first and last of the three years from which on the zone has another offset."""
    found, at = [], FIRST
    while at < LAST:
        later = at + timedelta(days=1)
        if at.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            before, after = at, later
            while after - before > timedelta(seconds=1):
                middle = before + (after - before) / 2
                if middle.astimezone(zone).utcoffset() == at.astimezone(zone).utcoffset():
                    before = middle
                else:
                    after = middle
            found.append((after + timedelta(milliseconds=500)).replace(microsecond=0))
        at = later
    return found


CHANGING = {name: found for name in sorted(available_timezones()) if (found := _transitions(ZoneInfo(name)))}


def _goes_forward(change: datetime, zone: ZoneInfo) -> bool:
    before = (change - timedelta(seconds=1)).astimezone(zone).utcoffset() or timedelta()
    return (change.astimezone(zone).utcoffset() or timedelta()) > before


def test_the_zones_of_the_three_years_have_clock_changes_of_all_kinds() -> None:
    steps = {
        (at.astimezone(ZoneInfo(name)).utcoffset() or HOUR)
        - ((at - timedelta(seconds=1)).astimezone(ZoneInfo(name)).utcoffset() or HOUR)
        for name, found in CHANGING.items() for at in found
    }
    assert len(CHANGING) > 150
    assert {HOUR, -HOUR, timedelta(minutes=30), timedelta(minutes=-30)} <= steps


@pytest.mark.parametrize("name", CHANGING)
def test_s1_at_each_clock_change_of_three_years_every_time_runs_once_and_a_skipped_one_at_the_next_valid_instant(
    name: str,
) -> None:
    zone = ZoneInfo(name)
    for change in CHANGING[name]:
        walls = {
            (shown.hour, shown.minute)
            for step in range(-9, 10)
            for shown in (change.astimezone(zone).replace(tzinfo=None) + step * timedelta(minutes=20),)
        }
        for hour, minute in walls:
            _assert_once_a_day(Schedule(name, Days(), (time(hour, minute),)), change, zone)


def _assert_once_a_day(schedule: Schedule, change: datetime, zone: ZoneInfo) -> None:
    found = instants(schedule, change - timedelta(days=3), count=7)
    assert len(found) == 7
    (at,) = schedule.times
    for instant in found:
        shown = instant.astimezone(zone)
        if shown.time().replace(second=0) == at:
            assert not shown.fold, f"{shown} is the second time that clocks show it"
        else:
            assert instant == change, f"{shown} is neither {at} nor the end of a gap"
            before = (instant - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
            assert before < datetime.combine(shown.date(), at) < shown.replace(tzinfo=None) or before.time() < at
    for earlier, later in pairwise(found):
        assert timedelta(hours=21) < later - earlier < timedelta(hours=27)


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"])
def test_s1_several_times_in_a_skipped_hour_run_once_together(name: str) -> None:
    zone = ZoneInfo(name)
    for change in (at for at in CHANGING[name] if _goes_forward(at, zone)):
        start = (change - timedelta(minutes=1)).astimezone(zone).replace(tzinfo=None, second=0)
        times = tuple(sorted({(start + timedelta(minutes=step)).time() for step in (1, 11, 21, 61)}))
        found = instants(Schedule(name, Days(), times), change - timedelta(days=2), count=20)
        assert found == sorted(set(found))
        assert found.count(change) == 1


@pytest.mark.parametrize("name", sorted(CHANGING))
def test_s1_what_repeats_each_quarter_of_an_hour_keeps_its_pace_through_clock_changes(name: str) -> None:
    schedule = parsed("every 15 minutes", name)
    for change in CHANGING[name][:2]:
        found = instants(schedule, change - timedelta(hours=5), count=40)
        assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=15)}


def test_s1_a_report_at_half_past_two_comes_at_three_when_berlin_goes_forward_and_once_when_it_goes_back() -> None:
    schedule = parsed("every day at 02:30", "Europe/Berlin")
    spring = instants(schedule, datetime(2027, 3, 27, 12, tzinfo=UTC), count=2)
    assert spring == [datetime(2027, 3, 28, 1, tzinfo=UTC), datetime(2027, 3, 29, 0, 30, tzinfo=UTC)]
    autumn = instants(schedule, datetime(2027, 10, 30, 12, tzinfo=UTC), count=2)
    assert autumn == [datetime(2027, 10, 31, 0, 30, tzinfo=UTC), datetime(2027, 11, 1, 1, 30, tzinfo=UTC)]


@given(
    st.sampled_from(["0 8 * * *", "*/7 3-5 * * 1-5", "30 23 28-31 * *", "0 0 29 2 *", "15 6 1,15 * FRI", "5 4 L * *",
                     "0 9 * 1,7 MON#2", "0 9 * * FRI#5", "0 12 13 * 5L", "59 23 * * 0", "0 0 1-31 * 3"]),
    _instants_of_years,
)
@settings(max_examples=200, deadline=None)
def test_cron_in_utc_is_due_when_another_reader_says_so(expression: str, after: datetime) -> None:
    other = CronSim(expression, after)
    assert instants(parsed(expression, "UTC"), after, count=5) == [next(other) for _ in range(5)]


@given(
    st.sampled_from(["hourly", "weekdays at 8 and 17:30", "last working day of the month at 6", "every 3 days at 1"]),
    st.sampled_from(["Europe/Berlin", "Pacific/Chatham", "America/St_Johns", "Africa/Casablanca"]),
    _instants_of_years,
)
@settings(max_examples=60, deadline=None)
def test_looking_back_finds_what_looking_forward_found(said: str, zone: str, after: datetime) -> None:
    schedule = parsed(said, zone)
    found = instants(schedule, after, count=8)
    assert latest(schedule, found[0], found[-1], count=8) == found
    assert latest(schedule, found[0], found[-1], count=1) == found[-1:]
    assert latest(schedule, found[0] + timedelta(seconds=1), found[1] - timedelta(seconds=1)) == []


def test_public_holidays_and_own_days_are_left_out() -> None:
    schedule = parsed("weekdays at 8", "Europe/Berlin")
    calendar = days_off(["DE-BY"], ["2026-12-28"])
    days = [at.date().isoformat() for at in instants(schedule, datetime(2026, 12, 23, 12, tzinfo=UTC), calendar, 6)]
    assert days == ["2026-12-24", "2026-12-29", "2026-12-30", "2026-12-31", "2027-01-04", "2027-01-05"]
    epiphany = date(2027, 1, 6)
    assert epiphany in calendar
    assert epiphany not in days_off(["DE"], [])


def test_the_last_working_day_of_a_month_is_none_of_the_days_off() -> None:
    schedule = parsed("last working day of the month at 18:00", "Europe/Berlin")
    after = datetime(2026, 12, 1, tzinfo=UTC)
    assert instants(schedule, after, days_off([], ["2026-12-31"]), 1)[0].date() == date(2026, 12, 30)


def test_a_schedule_that_a_calendar_leaves_no_day_ends_and_does_not_search_for_ever() -> None:
    schedule = parsed("every day at 8", "UTC")

    class Always:
        def __contains__(self, day: object) -> bool:
            return True

    assert instants(schedule, FIRST, Always(), 5) == []
    assert latest(schedule, FIRST, LAST, Always()) == []
