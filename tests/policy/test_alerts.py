"""When an alert opens, closes, and is told."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.policy.alert_kinds import KINDS, Severity
from postroom.policy.alerts import REARM, Event, Quiet, Standing, Step, Telling, is_quiet, may_leave, pending, step_of

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
WARNING = Standing(Severity.WARNING, NOW)
CRITICAL = Standing(Severity.CRITICAL, NOW)


def told(standing: Standing = WARNING, **times: datetime) -> Standing:
    return Standing(standing.severity, standing.opened_at, **{"told_at": NOW, **times})


def test_what_is_found_opens_one_alert_and_keeps_it_open() -> None:
    assert step_of(is_open=False, is_seen=True, clear_since=None, now=NOW) is Step.OPEN
    assert step_of(is_open=True, is_seen=True, clear_since=None, now=NOW) is Step.SEE
    assert step_of(is_open=False, is_seen=False, clear_since=None, now=NOW) is Step.NOTHING


def test_an_alert_closes_only_after_what_was_wrong_stayed_away() -> None:
    assert step_of(is_open=True, is_seen=False, clear_since=None, now=NOW) is Step.WAIT
    assert step_of(is_open=True, is_seen=False, clear_since=NOW, now=NOW + REARM - timedelta(seconds=1)) is Step.NOTHING
    assert step_of(is_open=True, is_seen=False, clear_since=NOW, now=NOW + REARM) is Step.CLOSE


def test_a_clock_that_is_set_back_does_not_keep_an_alert_open_for_years() -> None:
    assert step_of(is_open=True, is_seen=False, clear_since=NOW + 1000 * HOUR, now=NOW) is Step.WAIT


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_what_comes_and_goes_within_the_re_arm_time_is_one_alert(seen: list[bool]) -> None:
    opened, is_open, clear_since = 0, False, None
    for minute, is_seen in enumerate(seen):
        now = NOW + timedelta(seconds=minute)
        step = step_of(is_open=is_open, is_seen=is_seen, clear_since=clear_since, now=now)
        opened += step is Step.OPEN
        is_open = is_open or step is Step.OPEN
        clear_since = now if step is Step.WAIT else (None if is_seen else clear_since)
        assert step is not Step.CLOSE
    assert opened == any(seen)


def test_the_opening_is_told_then_reminders_then_the_closing() -> None:
    telling = Telling()
    assert pending(WARNING, telling, NOW) is Event.OPENED
    assert pending(told(), telling, NOW + 23 * HOUR) is None
    assert pending(told(), telling, NOW + 24 * HOUR) is Event.REMINDER
    reminded = told(reminded_at=NOW + 24 * HOUR)
    assert pending(reminded, telling, NOW + 47 * HOUR) is None
    closed = told(closed_at=NOW + HOUR)
    assert pending(closed, telling, NOW + HOUR) is Event.CLOSED
    assert pending(told(closed_at=NOW + HOUR, closing_told_at=NOW + HOUR), telling, NOW + 99 * HOUR) is None
    assert pending(closed, Telling(closings=False), NOW + HOUR) is None


def test_what_was_over_before_anybody_could_be_told_is_told_once() -> None:
    over = Standing(Severity.WARNING, NOW, closed_at=NOW + HOUR)
    assert pending(over, Telling(), NOW + HOUR) is Event.CLOSED
    assert pending(over, Telling(closings=False), NOW + HOUR) is None


def test_what_nobody_acknowledges_is_told_to_others_once() -> None:
    telling = Telling(escalate=HOUR)
    assert pending(told(), telling, NOW + HOUR) is Event.ESCALATED
    assert pending(told(escalated_at=NOW + HOUR), telling, NOW + 2 * HOUR) is None
    assert pending(told(acknowledged_at=NOW), telling, NOW + 99 * HOUR) is None


def test_warnings_wait_for_others_and_leave_together() -> None:
    telling = Telling(digest=timedelta(minutes=10))
    waiting = [(WARNING, Event.OPENED), (Standing(Severity.WARNING, NOW + timedelta(minutes=9)), Event.OPENED)]
    assert not may_leave(waiting, telling, NOW + timedelta(minutes=9), UTC)
    assert may_leave(waiting, telling, NOW + timedelta(minutes=10), UTC)
    assert not may_leave([], telling, NOW, UTC)


def test_what_is_critical_leaves_at_once_and_takes_what_waits_along() -> None:
    assert may_leave([(WARNING, Event.OPENED), (CRITICAL, Event.OPENED)], Telling(), NOW, UTC)


@pytest.mark.parametrize(("clock", "quiet"), [(21, False), (22, True), (23, True), (3, True), (6, False), (12, False)])
def test_quiet_hours_are_those_of_the_site_and_go_over_midnight(clock: int, quiet: bool) -> None:
    telling = Telling(quiet=Quiet(time(22), time(6)))
    assert is_quiet(telling, datetime(2026, 7, 1, clock, tzinfo=BERLIN), BERLIN) is quiet


def test_in_quiet_hours_warnings_wait_and_critical_alerts_do_not() -> None:
    telling = Telling(digest=timedelta(0), quiet=Quiet(time(0), time(23, 59)))
    assert not may_leave([(WARNING, Event.OPENED)], telling, NOW + HOUR, UTC)
    assert may_leave([(CRITICAL, Event.OPENED)], telling, NOW + HOUR, UTC)
    assert may_leave([(told(), Event.ESCALATED)], telling, NOW + HOUR, UTC)


def test_quiet_hours_that_begin_where_they_end_never_hold() -> None:
    assert not Quiet(time(8), time(8)).holds(time(8))


def test_every_kind_has_defaults_within_its_bounds_and_is_on_but_for_what_needs_a_rule_of_the_house() -> None:
    for kind in KINDS.values():
        assert all(each.least <= each.default <= each.most for each in kind.parameters)
        assert len(kind.slug) <= 26
    assert [kind.slug for kind in KINDS.values() if not kind.enabled] == ["secret-old"]
