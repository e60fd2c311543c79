"""What each result makes of a delivery (P8, P10, U1, U6)."""

import pytest

from postroom.policy.outcome import decision, is_about_sign_in, is_server_fault
from postroom.terms.envelope import RecipientResult
from postroom.terms.outcome import DeliveryState, Outcome, Stage
from postroom.terms.reply import Reply
from postroom.terms.server import UncertainPolicy


def result(outcome: Outcome, stage: Stage = Stage.MESSAGE, code: int | None = None) -> RecipientResult:
    return RecipientResult("ann@example.org", outcome, stage, None if code is None else Reply(code, ("x",)))


def state(
    found: RecipientResult, purpose: str = "notification", setting: UncertainPolicy | None = None
) -> tuple[DeliveryState, bool]:
    made = decision(found, purpose=purpose, setting=setting, attempt_count=1, jitter=0.5)
    return made.state, made.wait_s is not None


@pytest.mark.parametrize("stage", [Stage.SENDER, Stage.RECIPIENT, Stage.MESSAGE])
def test_a_permanent_refusal_of_the_transaction_is_final_and_a_transient_one_is_tried_again(stage: Stage) -> None:
    assert state(result(Outcome.FAILED, stage, 550)) == (DeliveryState.FAILED, False)
    assert state(result(Outcome.DEFERRED, stage, 451)) == (DeliveryState.DEFERRED, True)
    assert state(result(Outcome.DEFERRED, stage, 421)) == (DeliveryState.DEFERRED, True)
    assert not is_server_fault(result(Outcome.FAILED, stage, 550))


@pytest.mark.parametrize(
    "stage", [Stage.RESOLVE, Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.CERTIFICATE]
)
@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.DEFERRED])
def test_a_fault_before_the_transaction_never_fails_a_recipient(stage: Stage, outcome: Outcome) -> None:
    found = result(outcome, stage, 554)
    assert is_server_fault(found)
    assert not is_about_sign_in(found)
    assert state(found) == (DeliveryState.DEFERRED, True)


@pytest.mark.parametrize(
    ("stage", "code"),
    [
        (Stage.AUTHENTICATE, 535), (Stage.AUTHENTICATE, None), (Stage.SENDER, 530), (Stage.SENDER, 535),
        (Stage.RECIPIENT, 530),
    ],
)
def test_a_refused_sign_in_is_the_servers_fault_wherever_it_is_said(stage: Stage, code: int | None) -> None:
    found = result(Outcome.FAILED, stage, code)
    assert is_server_fault(found)
    assert is_about_sign_in(found)
    assert state(found) == (DeliveryState.DEFERRED, True)


def test_a_550_about_authentication_at_rcpt_is_the_recipients_own() -> None:
    assert state(result(Outcome.FAILED, Stage.RECIPIENT, 550)) == (DeliveryState.FAILED, False)


@pytest.mark.parametrize("purpose", ["notification", "communication", "alert"])
def test_uncertain_mail_is_tried_again_unless_the_server_says_hold(purpose: str) -> None:
    found = result(Outcome.UNCERTAIN)
    assert state(found, purpose) == (DeliveryState.UNCERTAIN, True)
    assert state(found, purpose, UncertainPolicy.HOLD) == (DeliveryState.HELD, False)


def test_an_uncertain_report_is_held_unless_the_server_says_retry() -> None:
    found = result(Outcome.UNCERTAIN)
    assert state(found, "report") == (DeliveryState.HELD, False)
    assert state(found, "report", UncertainPolicy.RETRY) == (DeliveryState.UNCERTAIN, True)


def test_sent_is_final() -> None:
    assert state(result(Outcome.SENT, code=250)) == (DeliveryState.SENT, False)
