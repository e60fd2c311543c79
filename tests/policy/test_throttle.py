"""A server that asks to be given less gets less, and little by little more again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.policy.throttle import LEAST_PER_MINUTE, SAME_S, STEP_S, STEPS, Throttle, is_throttle
from postroom.terms.envelope import RecipientResult
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply
from postroom.terms.server import Limits


def said(text: str, stage: Stage = Stage.SENDER, outcome: Outcome = Outcome.DEFERRED) -> RecipientResult:
    code, _, rest = text.partition(" ")
    return RecipientResult("ann@example.org", outcome, stage, Reply(int(code), (rest,)))


@pytest.mark.parametrize(
    "text",
    [
        "421 4.7.0 Too many connections from your host",
        "421 Too many concurrent SMTP connections; please try again later.",
        "432 4.3.2 Concurrent connections limit exceeded",
        "450 4.7.1 Error: too much mail from 192.0.2.1",
        "451 4.7.500 Server busy. Please try again later",
        "451 4.7.652 The mail server has exceeded the maximum number of connections.",
        "452 4.3.1 Insufficient system storage",
        "454 Throttling failure: Maximum sending rate exceeded.",
        "421 4.7.28 Our system has detected an unusual rate of mail",
        "421 4.7.0 Messages from 192.0.2.1 temporarily deferred due to unexpected volume",
        "451 Rate limit exceeded, slow down",
    ],
)
def test_a_server_that_has_had_enough_is_understood(text: str) -> None:
    assert is_throttle(said(text))


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("450 4.2.0 Recipient address rejected: Greylisted", Stage.RECIPIENT),
        ("452 4.2.2 Mailbox full", Stage.RECIPIENT),
        ("452 4.5.3 Too many recipients", Stage.RECIPIENT),
        ("450 4.2.1 The user you are trying to contact is receiving mail too quickly", Stage.RECIPIENT),
        ("454 4.7.0 Temporary authentication failure", Stage.SENDER),
        ("421 4.4.2 timeout exceeded", Stage.SENDER),
        ("550 5.7.1 rate limit", Stage.SENDER),
        ("451 4.3.0 local error in processing", Stage.MESSAGE),
    ],
)
def test_what_is_about_one_message_slows_nothing_down(text: str, stage: Stage) -> None:
    assert not is_throttle(said(text, stage))
    assert not is_throttle(said("421 too many connections", outcome=Outcome.FAILED))


def test_half_of_sessions_and_rate_are_left_at_once_and_requests_at_the_same_time_are_one() -> None:
    slow = Throttle().slowed(100.0, 8, 600.0)
    assert (slow.at_most(8), slow.limited(Limits()).messages_per_minute) == (4, 300)
    assert slow.slowed(100.0 + SAME_S / 2, 8, 600.0) == slow
    slower = slow.slowed(100.0 + SAME_S, 4, 280.0)
    assert (slower.at_most(8), slower.limited(Limits()).messages_per_minute) == (2, 140)


def test_what_was_lost_comes_back_step_by_step_and_then_nothing_is_slowed() -> None:
    slow = Throttle().slowed(0.0, 4, 600.0)
    rates, now_s = [], 0.0
    while slow.asked_s is not None:
        rates.append(slow.limited(Limits()).messages_per_minute)
        now_s += STEP_S
        slow = slow.regained(now_s, 4)
    assert rates == [300 + 30 * n for n in range(STEPS // 2)]
    assert slow == Throttle()
    assert slow.limited(Limits()) == Limits()


def test_the_servers_own_narrower_limit_stays() -> None:
    slow = Throttle().slowed(0.0, 4, 600.0)
    assert slow.limited(Limits(messages_per_minute=20, connections=3)) == Limits(messages_per_minute=20, connections=3)


@given(st.lists(st.tuples(st.floats(0, 120), st.integers(0, 20), st.floats(0, 1e6), st.booleans()), max_size=50))
def test_there_is_always_one_session_and_some_rate(events: list[tuple[float, int, float, bool]]) -> None:
    throttle, now_s = Throttle(), 0.0
    for gap_s, sessions, rate, is_request in events:
        now_s += gap_s
        throttle = throttle.slowed(now_s, sessions, rate) if is_request else throttle.regained(now_s, 10)
        assert 1 <= throttle.at_most(10) <= 10
        narrowed = throttle.limited(Limits()).messages_per_minute
        assert narrowed is None or narrowed >= LEAST_PER_MINUTE
