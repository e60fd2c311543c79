"""Pauses grow, spread and end."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from postroom.policy.retry import (
    SCHEDULES,
    attempts_expected,
    backoff_s,
    coming_attempts,
    cooldown_s,
    lifetime_of,
    next_due,
)

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
JITTER = st.floats(0, 1, exclude_max=True)


def test_pauses_double_up_to_half_an_hour() -> None:
    assert [backoff_s(n, 0.5) / 60 for n in range(1, 9)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_password_reset_is_tried_again_sooner_than_a_report_and_an_alert_sooner_still() -> None:
    for attempt in range(1, 40):
        alert, reset, report = (backoff_s(attempt, 0.5, of) for of in ("alert", "notification", "report"))
        assert alert < reset < report
    assert backoff_s(3, 0.5, "of another kind") == backoff_s(3, 0.5, "notification")


def test_an_alert_is_given_up_first_and_what_people_write_last() -> None:
    assert lifetime_of("alert") < lifetime_of("notification") <= lifetime_of("report") < lifetime_of("communication")
    assert lifetime_of("communication") == timedelta(days=4)


@given(st.integers(-3, 10**9), JITTER, st.sampled_from(sorted(SCHEDULES)))
def test_jitter_moves_a_pause_by_at_most_a_quarter(attempt_count: int, jitter: float, purpose: str) -> None:
    middle_s, longest_s = backoff_s(attempt_count, 0.5, purpose), SCHEDULES[purpose].longest_s
    assert 0.75 * middle_s <= backoff_s(attempt_count, jitter, purpose) <= 1.25 * middle_s <= 1.25 * longest_s


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


def test_every_purpose_gets_dozens_of_tries_before_it_expires() -> None:
    tries = {of: attempts_expected(0, NOW, NOW + lifetime_of(of), of) for of in SCHEDULES}
    assert tries == {"alert": 100, "notification": 100, "communication": 100, "report": 51}


def test_coming_attempts_begin_with_the_one_that_is_due_and_end_before_expiry() -> None:
    due = NOW + timedelta(minutes=3)
    times = coming_attempts(1, due, NOW + timedelta(minutes=12), "notification", 10)
    assert times == [due, due + timedelta(minutes=2), due + timedelta(minutes=6)]
    assert coming_attempts(1, due, NOW, "notification", 10) == []
    assert len(coming_attempts(1, due, NOW + timedelta(days=9), "notification", 4)) == 4


def test_a_refused_sign_in_is_left_alone_longer_than_a_lost_connection() -> None:
    assert cooldown_s(1, 0.5, sign_in=True) > 4 * cooldown_s(1, 0.5, sign_in=False)
    assert [cooldown_s(n, 0.5, sign_in=False) for n in (1, 2, 3, 50)] == [15, 30, 60, 900]
