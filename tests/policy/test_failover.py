"""Where a delivery goes when its server is at fault, or a stand-in refuses it."""

from dataclasses import replace

import pytest

from postroom.policy.failover import Standing, Whereabouts, move_after, successor
from postroom.terms.envelope import RecipientResult
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply

A = Standing("a", "Relay A", is_default=True, is_sandbox=False, position=0, takes_deliveries=True, is_failing=False)
B = replace(A, id="b", name="Relay B", is_default=False, position=1)
C = replace(A, id="c", name="Relay C", is_default=False, position=2)
SANDBOX = replace(A, id="s", name="Sandbox", is_default=False, is_sandbox=True, position=3)
A_FAILS = replace(A, is_failing=True)

AT_HOME = Whereabouts("a", "a", pinned=False, may_have_been_sent=False)
AT_B = replace(AT_HOME, current="b")

REFUSED_SIGN_IN = RecipientResult("ann@example.org", Outcome.FAILED, Stage.AUTHENTICATE, Reply(535, ("5.7.8 no",)))


def result(outcome: Outcome, stage: Stage, code: int | None = None, text: str = "x") -> RecipientResult:
    return RecipientResult("ann@example.org", outcome, stage, None if code is None else Reply(code, (text,)))


def move(
    found: RecipientResult, where: Whereabouts = AT_HOME, servers: tuple[Standing, ...] = (A_FAILS, B, C, SANDBOX)
) -> tuple[str, str] | None:
    made = move_after(found, where, servers)
    return None if made is None else (made.to.id, "at once" if made.at_once else "later")


@pytest.mark.parametrize(
    ("servers", "current", "tried", "next_one"),
    [
        ((C, B, A), "a", (), "b"),
        ((C, B, A), "b", (), "a"),
        ((A, replace(B, is_failing=True), C), "a", (), "c"),
        ((A, replace(B, takes_deliveries=False), C), "a", (), "c"),
        ((A, B, C), "a", ("b",), "c"),
        ((A, B, C), "a", ("b", "c"), None),
        ((A, replace(C, is_default=True), replace(A, is_default=False, position=1, id="x")), "a", (), "c"),
        ((A, SANDBOX), "a", (), None),
        ((A, replace(SANDBOX, is_default=True)), "a", (), None),
        ((A, B, SANDBOX), "s", (), None),
        ((A,), "a", (), None),
        ((A, B), "gone", (), "a"),
    ],
)
def test_the_next_of_the_order_that_is_well_takes_over_and_never_the_sandbox(
    servers: tuple[Standing, ...], current: str, tried: tuple[str, ...], next_one: str | None
) -> None:
    found = successor(servers, current=current, tried=tried)
    assert (found.id if found else None) == next_one


@pytest.mark.parametrize(
    "fault",
    [
        result(Outcome.DEFERRED, Stage.RESOLVE), result(Outcome.DEFERRED, Stage.CONNECT),
        result(Outcome.DEFERRED, Stage.GREETING, 421), result(Outcome.FAILED, Stage.STARTTLS, 454),
        result(Outcome.FAILED, Stage.CERTIFICATE), REFUSED_SIGN_IN, result(Outcome.FAILED, Stage.SENDER, 530),
        result(Outcome.FAILED, Stage.SENDER, 554, "5.7.1 daily message quota exceeded"),
        result(Outcome.FAILED, Stage.MESSAGE, 550, "5.4.5 Daily user sending limit exceeded."),
    ],
)
def test_a_fault_of_the_server_moves_the_delivery_at_once(fault: RecipientResult) -> None:
    assert move(fault) == ("b", "at once")


@pytest.mark.parametrize(
    "found",
    [
        result(Outcome.SENT, Stage.MESSAGE, 250), result(Outcome.UNCERTAIN, Stage.MESSAGE),
        result(Outcome.FAILED, Stage.RECIPIENT, 550), result(Outcome.DEFERRED, Stage.RECIPIENT, 450),
        result(Outcome.FAILED, Stage.SENDER, 550), result(Outcome.FAILED, Stage.MESSAGE, 554),
        result(Outcome.DEFERRED, Stage.MESSAGE, 451),
        result(Outcome.FAILED, Stage.RECIPIENT, 552, "5.2.2 over the daily quota of this mailbox today"),
    ],
)
def test_nothing_else_moves_a_delivery_from_its_home(found: RecipientResult) -> None:
    assert move(found) is None


def test_a_delivery_whose_client_named_the_server_or_that_may_have_been_sent_never_moves() -> None:
    assert move(REFUSED_SIGN_IN, replace(AT_HOME, pinned=True)) is None
    assert move(REFUSED_SIGN_IN, replace(AT_HOME, may_have_been_sent=True)) is None


def test_each_server_is_tried_once_and_then_it_waits_at_home() -> None:
    b_fails = (A_FAILS, replace(B, is_failing=True, is_left_alone=True), C)
    assert move(REFUSED_SIGN_IN, replace(AT_B, tried=("a",)), b_fails) == ("c", "at once")
    all_tried = replace(AT_HOME, current="c", tried=("a", "b"))
    assert move(REFUSED_SIGN_IN, all_tried, (A, B, replace(C, is_failing=True))) == ("a", "later")
    assert move(REFUSED_SIGN_IN, replace(AT_HOME, tried=("b", "c")), (A_FAILS, B, C)) is None


def test_where_no_server_is_well_one_that_was_left_alone_long_enough_is_tried() -> None:
    rested, resting = replace(B, is_failing=True), replace(B, is_failing=True, is_left_alone=True)
    assert move(REFUSED_SIGN_IN, AT_HOME, (A_FAILS, rested)) == ("b", "at once")
    assert move(REFUSED_SIGN_IN, AT_HOME, (A_FAILS, rested, C)) == ("c", "at once")
    assert move(REFUSED_SIGN_IN, AT_HOME, (A_FAILS, resting)) is None
    assert move(REFUSED_SIGN_IN, AT_HOME, (A_FAILS, resting, replace(C, is_failing=True))) == ("c", "at once")
    assert move(REFUSED_SIGN_IN, AT_HOME, (A_FAILS, replace(rested, takes_deliveries=False), SANDBOX)) is None
    assert move(REFUSED_SIGN_IN, replace(AT_HOME, tried=("b",)), (A_FAILS, rested)) is None


@pytest.mark.parametrize(
    ("found", "place"),
    [
        (result(Outcome.FAILED, Stage.SENDER, 550), ("a", "later")),
        (result(Outcome.FAILED, Stage.MESSAGE, 554), ("a", "later")),
        (result(Outcome.FAILED, Stage.SENDER), ("a", "later")),
        (result(Outcome.FAILED, Stage.RECIPIENT, 550), None),
        (result(Outcome.FAILED, Stage.RECIPIENT, 550, "5.1.1 unknown"), None),
        (result(Outcome.FAILED, Stage.RECIPIENT, 553, "5.7.1 <r@x.example>: Sender address rejected"), ("a", "later")),
        (result(Outcome.FAILED, Stage.RECIPIENT, 550, "5.1.8 sender unknown"), ("a", "later")),
        (result(Outcome.DEFERRED, Stage.SENDER, 451), None),
        (result(Outcome.DEFERRED, Stage.MESSAGE, 451), None),
        (result(Outcome.UNCERTAIN, Stage.MESSAGE), None),
    ],
)
def test_what_a_stand_in_says_of_sender_or_content_sends_the_delivery_home_and_of_a_recipient_is_final(
    found: RecipientResult, place: tuple[str, str] | None
) -> None:
    assert move(found, AT_B) == place


def test_a_stand_in_is_home_once_the_home_is_gone() -> None:
    refused = result(Outcome.FAILED, Stage.SENDER, 550)
    assert move(refused, replace(AT_B, home=None)) is None
    assert move(refused, AT_B, (B, C)) is None
