"""When the nightly check is due, with clock changes and nights missed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from postroom.policy.nightly import is_check_due, last_night

STOCKHOLM = ZoneInfo("Europe/Stockholm")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "zone", "night"),
    [
        ("2026-03-12T14:32+01:00", "Europe/Stockholm", "2026-03-12T02:00Z"),
        ("2026-03-12T02:59+01:00", "Europe/Stockholm", "2026-03-11T02:00Z"),
        ("2026-03-12T03:00+01:00", "Europe/Stockholm", "2026-03-12T02:00Z"),
        # 29 March 2026: 02:00 becomes 03:00 in Stockholm; 25 October: 03:00 becomes 02:00 again.
        ("2026-03-29T00:59Z", "Europe/Stockholm", "2026-03-28T02:00Z"),
        ("2026-03-29T01:00Z", "Europe/Stockholm", "2026-03-29T01:00Z"),
        ("2026-10-25T01:30Z", "Europe/Stockholm", "2026-10-24T01:00Z"),
        ("2026-10-25T02:00Z", "Europe/Stockholm", "2026-10-25T02:00Z"),
        # In Kyiv 03:00 itself is what clocks jump over, to 04:00, and what they show twice.
        ("2026-03-29T00:59Z", "Europe/Kyiv", "2026-03-28T01:00Z"),
        ("2026-03-29T01:00Z", "Europe/Kyiv", "2026-03-29T01:00Z"),
        ("2026-10-25T00:30Z", "Europe/Kyiv", "2026-10-25T00:00Z"),
        ("2026-10-25T01:30Z", "Europe/Kyiv", "2026-10-25T00:00Z"),
        ("2026-03-12T14:00Z", "Pacific/Kiritimati", "2026-03-12T13:00Z"),
        ("2026-03-12T12:00Z", "Pacific/Kiritimati", "2026-03-11T13:00Z"),
    ],
)
def test_a_night_begins_once_a_day_at_three_of_the_zone(now: str, zone: str, night: str) -> None:
    assert last_night(at(now), ZoneInfo(zone)) == at(night)


def test_the_check_is_due_from_three_until_it_has_begun() -> None:
    yesterday, three = at("2026-03-11T03:00:04+01:00"), at("2026-03-12T03:00+01:00")
    assert not is_check_due(three - timedelta(seconds=1), STOCKHOLM, last=yesterday, running_since=LONG_AGO)
    assert is_check_due(three, STOCKHOLM, last=yesterday, running_since=LONG_AGO)
    assert not is_check_due(three + timedelta(hours=1), STOCKHOLM, last=three, running_since=LONG_AGO)


@pytest.mark.parametrize("begins", ["2026-03-29T00:30Z", "2026-10-25T00:30Z"])
def test_the_night_of_a_clock_change_has_one_check(begins: str) -> None:
    last, runs, now = at(begins) - timedelta(hours=22), 0, at(begins)
    for _ in range(20 * 60):
        if is_check_due(now, STOCKHOLM, last=last, running_since=LONG_AGO):
            last, runs = now, runs + 1
        now += timedelta(minutes=1)
    assert runs == 1


@pytest.mark.parametrize(
    ("last", "starts", "due"),
    [
        (None, "2026-03-12T09:00+01:00", True),
        ("2026-03-11T03:00+01:00", "2026-03-12T02:00+01:00", False),
        ("2026-03-11T03:00+01:00", "2026-03-12T09:00+01:00", True),
        ("2026-03-11T12:00+01:00", "2026-03-12T09:00+01:00", False),
        ("2026-03-11T12:00+01:00", "2026-03-12T12:00:01+01:00", True),
        ("2026-03-12T03:00+01:00", "2026-03-12T09:00+01:00", False),
    ],
)
def test_a_night_missed_while_nothing_ran_is_made_up_for_when_the_last_check_is_a_day_old(
    last: str | None, starts: str, due: bool
) -> None:
    found = is_check_due(at(starts), STOCKHOLM, last=at(last) if last else None, running_since=at(starts))
    assert found is due


def test_a_clock_that_was_years_ahead_puts_no_check_off_and_one_that_was_an_hour_ahead_repeats_none() -> None:
    now = at("2026-03-12T03:00+01:00")
    assert is_check_due(now, STOCKHOLM, last=now + timedelta(days=3_650), running_since=LONG_AGO)
    assert not is_check_due(now, STOCKHOLM, last=now + timedelta(hours=1), running_since=LONG_AGO)
