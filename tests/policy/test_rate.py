"""Rates: never above the limit in any window, and nearly all of it used."""

from hypothesis import given
from hypothesis import strategies as st

from postroom.policy.rate import DAY_US, MINUTE_US, QUARTER_US, SECOND_US, Spent, has_rate
from postroom.terms.server import Limits

NOW_US = 1_795_340_000 * SECOND_US


def sent_greedily(limits: Limits, gaps_us: list[int]) -> list[int]:
    """When each message left, if at every look all that may leave does."""
    spent, now_us, times = Spent(), NOW_US, []
    for gap_us in gaps_us:
        now_us += gap_us
        messages = spent.room(limits, now_us).messages or 0
        spent = Spent.read(spent.arrival_us, spent.written()).plus(messages, limits, now_us)
        times += [now_us] * messages
    return times


def most_in_a_window(times: list[int], length_us: int) -> int:
    most = start = 0
    for end, at_us in enumerate(times):
        while times[start] <= at_us - length_us:
            start += 1
        most = max(most, end - start + 1)
    return most


@given(st.integers(1, 3_000), st.lists(st.integers(0, 20 * SECOND_US), max_size=60))
def test_no_minute_ever_holds_more_than_the_limit(per_minute: int, gaps_us: list[int]) -> None:
    times = sent_greedily(Limits(messages_per_minute=per_minute), gaps_us)
    assert most_in_a_window(times, MINUTE_US) <= per_minute


@given(st.integers(1, 400), st.lists(st.integers(0, 3 * 60 * MINUTE_US), max_size=60))
def test_no_day_ever_holds_more_than_the_limit(per_day: int, gaps_us: list[int]) -> None:
    times = sent_greedily(Limits(messages_per_day=per_day), gaps_us)
    assert most_in_a_window(times, DAY_US) <= per_day


@given(st.integers(1, 60_000))
def test_ninety_nine_of_a_hundred_of_a_rate_are_used(per_minute: int) -> None:
    limits, spent, now_us, sent = Limits(messages_per_minute=per_minute), Spent(), NOW_US, 0
    for _ in range(3_000):
        room = spent.room(limits, now_us)
        sent += room.messages or 0
        spent = spent.plus(room.messages or 0, limits, now_us)
        now_us = spent.room(limits, now_us).next_us or now_us
    if now_us - NOW_US >= MINUTE_US:
        assert sent >= 0.985 * per_minute * (now_us - NOW_US) / MINUTE_US


def test_a_rate_is_spread_evenly() -> None:
    limits = Limits(messages_per_minute=30)
    spent = Spent().plus(1, limits, NOW_US)
    room = spent.room(limits, NOW_US)
    assert (room.messages, room.next_us, room.by) == (0, NOW_US + 2 * SECOND_US, "messages_per_minute")
    assert spent.room(limits, NOW_US + 2 * SECOND_US).messages == 1


@given(st.integers(1, 5_000), st.integers(1, 50))
def test_the_next_message_may_leave_exactly_when_it_is_said(per_minute: int, most: int) -> None:
    limits = Limits(messages_per_minute=per_minute)
    spent = Spent().plus(min(most, Spent().room(limits, NOW_US).messages or 0), limits, NOW_US)
    next_us = spent.room(limits, NOW_US).next_us
    if next_us is not None:
        assert spent.room(limits, next_us - 1).messages == 0
        assert spent.room(limits, next_us).messages == 1


def test_the_narrower_limit_decides_and_is_named() -> None:
    limits = Limits(messages_per_minute=600, messages_per_day=3)
    assert Spent().room(limits, NOW_US).messages == 3
    spent = Spent().plus(3, limits, NOW_US)
    room = spent.room(limits, NOW_US + SECOND_US)
    assert (room.messages, room.by) == (0, "messages_per_day")
    assert room.next_us is not None
    assert DAY_US < room.next_us - NOW_US <= DAY_US + QUARTER_US
    assert spent.room(limits, room.next_us).messages == 3


@given(st.integers(1, 50), st.integers(0, 50), st.integers(1, 600))
def test_what_was_given_back_may_be_begun_again(begun: int, more: int, per_minute: int) -> None:
    limits = Limits(messages_per_minute=per_minute, messages_per_day=1_000)
    once = Spent().plus(begun, limits, NOW_US)
    again = once.plus(more, limits, NOW_US).minus(more, limits)
    assert again.room(limits, NOW_US) == once.room(limits, NOW_US)


def test_what_is_known_to_have_left_counts_once() -> None:
    limits = Limits(messages_per_day=100)
    spent = Spent().plus(30, limits, NOW_US)
    known = [(NOW_US - 60 * MINUTE_US, 20), (NOW_US, 30)]
    assert spent.learning(known, NOW_US).learning(known, NOW_US).used_in_day(NOW_US) == 50


def test_without_limits_nothing_is_counted() -> None:
    assert Spent().room(Limits(), NOW_US).messages is None
    assert not has_rate(None)
    assert not has_rate(Limits(connections=3))


def test_a_row_of_a_day_stays_small() -> None:
    limits, spent = Limits(messages_per_day=10**9), Spent()
    for quarter in range(400):
        spent = spent.plus(10_000, limits, NOW_US + quarter * QUARTER_US)
    assert len(spent.written()) < 1_500


BACK_US = st.integers(0, 400 * DAY_US)


@given(st.integers(1, 600), BACK_US)
def test_a_clock_that_is_set_back_holds_a_rate_for_two_minutes_and_its_burst_at_most(
    per_minute: int, back_us: int
) -> None:
    limits = Limits(messages_per_minute=per_minute)
    spent = Spent().plus(1, limits, NOW_US)
    now_us = NOW_US - back_us
    next_us = spent.room(limits, now_us).next_us
    assert next_us is None or next_us - now_us <= 2 * MINUTE_US
    assert (spent.plus(1, limits, now_us).room(limits, now_us).next_us or 0) - now_us <= 3 * MINUTE_US


@given(st.integers(0, DAY_US))
def test_after_a_clock_was_set_back_what_left_counts_against_the_day_as_if_it_left_now(back_us: int) -> None:
    limits, now_us = Limits(messages_per_day=10), NOW_US - back_us
    spent = Spent().plus(7, limits, NOW_US)
    assert spent.room(limits, now_us).messages == 3
    again = spent.plus(3, limits, now_us)
    room = again.room(limits, now_us)
    assert (room.messages, room.by) == (0, "messages_per_day")
    assert again.room(limits, now_us + DAY_US + QUARTER_US).messages == 10


@given(BACK_US)
def test_a_clock_that_is_set_back_stops_no_server_whose_day_is_spent_for_more_than_two_days(back_us: int) -> None:
    limits, now_us = Limits(messages_per_day=10), NOW_US - back_us
    spent = Spent().plus(10, limits, NOW_US)
    quarters = range(2 * 96 + 2)
    assert any(spent.room(limits, now_us + quarter * QUARTER_US).messages for quarter in quarters)
