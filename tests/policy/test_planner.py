"""When planned mail will really have left: sessions, limits per minute and per day, other mail, and what to move."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.policy.planner import Arrival, Load, Pace, Road, moves, planned
from postroom.policy.planner.plan import Bound

BEGIN = datetime(2026, 11, 23, tzinfo=UTC)
EIGHT = BEGIN + timedelta(hours=8)
QUICK = Pace(message_s=0.01, octets_per_s=1e9)


def load(
    key: str = "sales", messages: int = 600, at: datetime = EIGHT, octets: int = 1_000, road: str = "relay"
) -> Load:
    return Load(key, key, at, road, messages, octets)


def road(**values: Any) -> Road:
    return Road(**{"id": "relay", "name": "Relay", "sessions": 4, "pace": QUICK, **values})


def arrivals(*loads: Load, on: Road, hours: int = 36) -> list[Arrival]:
    return list(planned(loads, [on], BEGIN, hours).arrivals)


def minutes(arrival: Arrival) -> float:
    assert arrival.last_at is not None
    return (arrival.last_at - arrival.load.at).total_seconds() / 60


def test_a_limit_per_minute_spreads_a_report_evenly() -> None:
    (arrival,) = arrivals(load(messages=600), on=road(per_minute=60))
    assert arrival.first_at == EIGHT
    assert minutes(arrival) == pytest.approx(10, abs=0.1)
    assert arrival.bound is Bound.MINUTE


def test_without_limits_sessions_and_octets_set_the_pace() -> None:
    pace = Pace(message_s=0.5, octets_per_s=2_000_000)
    (small,) = arrivals(load(messages=960, octets=0), on=road(pace=pace))
    assert minutes(small) == pytest.approx(2, abs=0.1)
    (large,) = arrivals(load(messages=960, octets=3_000_000), on=road(pace=pace))
    assert minutes(large) == pytest.approx(8, abs=0.1)
    assert large.bound is Bound.SESSIONS


def test_reports_of_one_instant_leave_one_after_the_other() -> None:
    first, second = arrivals(load("a"), load("b"), on=road(per_minute=60))
    assert minutes(first) == pytest.approx(10, abs=0.1)
    assert minutes(second) == pytest.approx(20, abs=0.1)
    assert second.first_at == first.last_at


def test_a_limit_per_day_puts_off_what_is_beyond_it_until_a_day_has_passed() -> None:
    quarter = int((EIGHT - timedelta(hours=20)).timestamp()) // 900
    on = road(per_day=1_000, used={quarter: 700})
    (arrival,) = arrivals(load(messages=600), on=on)
    assert arrival.bound is Bound.DAY
    assert arrival.last_at is not None
    assert timedelta(hours=4) <= arrival.last_at - EIGHT <= timedelta(hours=4, minutes=30)


def test_what_else_leaves_takes_its_share() -> None:
    alone, beside = (arrivals(load(), on=road(per_minute=60, others=(rate,) * 24))[0] for rate in (0.0, 30.0))
    assert minutes(beside) == pytest.approx(2 * minutes(alone), abs=0.2)


def test_what_does_not_leave_within_the_forecast_has_no_end() -> None:
    (arrival,) = arrivals(load(messages=100_000), on=road(per_minute=10), hours=12)
    assert arrival.first_at == EIGHT
    assert arrival.last_at is None
    (nowhere,) = planned([load(road="gone")], [road()], BEGIN, 12).arrivals
    assert (nowhere.first_at, nowhere.last_at) == (None, None)


def test_a_report_that_holds_up_others_is_moved_out_of_their_way() -> None:
    loads, on = [load("large", 3_000), load("small", 100), load("middle", 400)], road(per_minute=60)
    plan = planned(loads, [on], BEGIN, 36)
    found = moves(plan, loads, [on], BEGIN, 36)
    assert found[0].load.key == "large"
    assert found[0].after < found[0].before
    assert found[0].to != EIGHT


def test_among_many_alike_the_one_that_waits_longest_is_moved() -> None:
    hourly = [load("hourly", 1_200, BEGIN + timedelta(hours=hour)) for hour in range(0, 24, 2)]
    loads, on = [*hourly, load("sales", 1_200), load("stock", 1_200)], road(per_minute=60)
    found = moves(planned(loads, [on], BEGIN, 36), loads, [on], BEGIN, 36)
    assert found[0].load.key in ("sales", "stock")


def test_where_everything_is_in_time_nothing_moves() -> None:
    loads, on = [load("a", 100), load("b", 100)], road(per_minute=60)
    assert moves(planned(loads, [on], BEGIN, 36), loads, [on], BEGIN, 36) == []


def test_where_moving_does_not_help_nothing_is_proposed() -> None:
    loads, on = [load("a", 20_000)], road(per_minute=10)
    assert moves(planned(loads, [on], BEGIN, 36), loads, [on], BEGIN, 36) == []


_loads = st.lists(
    st.builds(
        load, st.sampled_from(["a", "b", "c"]), st.integers(1, 3_000),
        st.integers(0, 1_439).map(lambda minute: BEGIN + timedelta(minutes=minute)), st.integers(0, 5_000_000),
    ),
    max_size=6,
)
_limits = st.none() | st.integers(1, 500)


@given(_loads, _limits, st.none() | st.integers(1, 20_000), st.integers(1, 20))
def test_no_forecast_breaks_a_limit_or_sends_before_its_time(
    loads: list[Load], per_minute: int | None, per_day: int | None, sessions: int
) -> None:
    plan = planned(loads, [road(per_minute=per_minute, per_day=per_day, sessions=sessions)], BEGIN, 36)
    assert sorted(arrival.load.at for arrival in plan.arrivals) == sorted(each.at for each in loads)
    for arrival in plan.arrivals:
        assert arrival.first_at is None or arrival.load.at <= arrival.first_at
        assert arrival.last_at is None or (arrival.first_at or BEGIN) <= arrival.last_at <= plan.end
    if per_minute is not None:
        assert all(count <= per_minute * 60 + 1 for count in plan.leaving)
    if per_day is not None:
        assert sum(plan.leaving[:24]) <= per_day + 24
    if all(arrival.last_at for arrival in plan.arrivals):
        assert sum(plan.leaving) == pytest.approx(sum(each.messages for each in loads), abs=36)
