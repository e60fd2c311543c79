"""Which reports end mail to an address."""

import pytest

from postroom.policy.hard_bounce import is_hard_bounce


@pytest.mark.parametrize("status", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.4"])
def test_a_code_about_the_address_is_enough(status: str) -> None:
    assert is_hard_bounce(status, "unknown", cause_is_certain=False)


@pytest.mark.parametrize("status", ["5.7.1", "5.7.509", "5.2.2", "5.3.4", "5.6.0", "5.4.7", "5.1.8", "5.1.7"])
def test_policy_a_full_mailbox_and_the_senders_own_faults_are_none(status: str) -> None:
    assert not is_hard_bounce(status, "unknown", cause_is_certain=True)
    assert not is_hard_bounce(status, "recipient-unknown", cause_is_certain=True)


def test_a_code_that_says_nothing_needs_words_that_are_certain() -> None:
    assert is_hard_bounce("", "recipient-unknown", cause_is_certain=True)
    assert is_hard_bounce("5.4.1", "recipient-unknown", cause_is_certain=True)
    assert not is_hard_bounce("5.0.0", "recipient-unknown", cause_is_certain=False)
    assert not is_hard_bounce("", "unknown", cause_is_certain=True)


def test_words_that_speak_of_something_else_win_over_the_code() -> None:
    assert not is_hard_bounce("5.2.1", "recipient-mailbox-throttled", cause_is_certain=True)
    assert not is_hard_bounce("5.1.1", "content-spam-rejected", cause_is_certain=False)
