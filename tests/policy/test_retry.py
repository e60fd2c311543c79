"""Pauses grow, spread and end."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from postroom.policy.retry import LIFETIME, LONGEST_S, backoff_s, cooldown_s, next_due

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
JITTER = st.floats(0, 1, exclude_max=True)


def test_pauses_double_from_a_minute_to_an_hour() -> None:
    assert [backoff_s(n, 0.5) / 60 for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


@given(st.integers(-3, 10**9), JITTER)
def test_jitter_moves_a_pause_by_at_most_a_quarter(attempt_count: int, jitter: float) -> None:
    middle_s = backoff_s(attempt_count, 0.5)
    assert 0.75 * middle_s <= backoff_s(attempt_count, jitter) <= 1.25 * middle_s <= 1.25 * LONGEST_S


def test_ten_thousand_deliveries_of_one_outage_spread_over_half_the_pause() -> None:
    dues = sorted(backoff_s(1, i / 10_000) for i in range(10_000))
    busiest = max(sum(1 for due in dues[i:i + 1000] if due < dues[i] + 1) for i in range(0, 9_000, 250))
    assert dues[-1] - dues[0] > 29
    assert busiest < 400


@given(st.floats(0, 1e7), st.timedeltas(timedelta(days=-3), timedelta(days=3)))
def test_the_next_attempt_is_never_put_after_expiry(wait_s: float, left: timedelta) -> None:
    due = next_due(NOW, wait_s, NOW + left)
    assert due >= NOW
    assert due <= max(NOW, NOW + left)


def test_a_message_gets_over_fifty_tries_before_it_expires() -> None:
    seconds, tries = 0.0, 0
    while seconds < LIFETIME.total_seconds():
        tries += 1
        seconds += backoff_s(tries, 0.5)
    assert 50 < tries < 60


def test_a_refused_sign_in_is_left_alone_longer_than_a_lost_connection() -> None:
    assert cooldown_s(1, 0.5, sign_in=True) > 4 * cooldown_s(1, 0.5, sign_in=False)
    assert [cooldown_s(n, 0.5, sign_in=False) for n in (1, 2, 3, 50)] == [15, 30, 60, 900]
