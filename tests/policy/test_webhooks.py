"""What becomes of a request to a webhook, how it is signed, and what django-anymail calls an event."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.policy.anymail import Anymail, in_anymail_words
from postroom.policy.webhook_filter import WebhookFilter
from postroom.policy.webhook_signature import key_of, secret_of, signed_fields
from postroom.policy.webhooks import GIVE_UP_AFTER, Standing, Verdict, is_given_up, pause_s, verdict_of
from postroom.terms.event import EventKind

NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
# https://anymail.dev/en/stable/sending/tracking/
TYPES = {
    "queued", "sent", "rejected", "failed", "bounced", "deferred", "delivered", "autoresponded", "opened", "clicked",
    "complained", "unsubscribed", "subscribed", "inbound", "inbound_failed", "unknown",
}
REASONS = {"invalid", "bounced", "timed_out", "blocked", "spam", "unsubscribed", "other", None}


def test_a_signature_is_that_of_the_example_of_standard_webhooks() -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    fields = signed_fields([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    assert fields == {
        "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "Webhook-Timestamp": "1614265330",
        "Webhook-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.binary(min_size=24, max_size=64))
def test_a_secret_is_read_as_it_was_made(octets: bytes) -> None:
    assert key_of(secret_of(octets)) == octets


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "!" * 40,
                                  secret_of(b"x" * 23), secret_of(b"x" * 65), "whsec_é" + "A" * 40])
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        key_of(text)


@pytest.mark.parametrize(("status", "verdict"), [
    (200, Verdict.TAKEN), (204, Verdict.TAKEN), (299, Verdict.TAKEN), (302, Verdict.REFUSED), (400, Verdict.REFUSED),
    (410, Verdict.GONE), (500, Verdict.REFUSED),
])
def test_only_a_2xx_is_taken(status: int, verdict: Verdict) -> None:
    assert verdict_of(status) is verdict


@given(st.floats(0, 1, exclude_max=True))
def test_pauses_grow_up_to_hours_and_a_weekend_is_bridged(jitter: float) -> None:
    pauses = [pause_s(number, jitter) for number in range(1, 30)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 7
    assert 10_000 < pauses[-1] < 20_000
    assert sum(pauses) > timedelta(days=2, hours=12).total_seconds()
    assert timedelta(days=3) == GIVE_UP_AFTER


@pytest.mark.parametrize(("status", "asked_s", "least", "most"), [
    (429, 60.0, 60, 60), (503, 9_999_999.0, 3_600, 3_600), (503, 1.0, 4, 7), (500, 60.0, 4, 7), (503, None, 4, 7),
])
def test_what_a_receiver_asks_for_counts_within_bounds(
    status: int, asked_s: float | None, least: float, most: float
) -> None:
    assert least <= pause_s(1, 0.5, status, asked_s) <= most


@pytest.mark.parametrize(
    ("failures", "days", "over"), [(10, 3, True), (9, 3, False), (1_000, 2.9, False), (0, 9, False)]
)
def test_a_webhook_is_given_up_when_it_failed_long_and_often(failures: int, days: float, over: bool) -> None:
    assert is_given_up(Standing(failures, NOW - timedelta(days=days)), NOW) is over
    assert not is_given_up(Standing(failures, None), NOW)


@given(st.sampled_from(EventKind), st.sampled_from(["", "recipient-unknown", "queue-expired", "something-new"]))
def test_every_event_of_a_message_has_a_word_of_anymail(kind: EventKind, cause: str) -> None:
    words = in_anymail_words(kind, cause)
    assert (words is None) is not kind.startswith(("message.", "recipient."))
    assert words is None or (words.event_type in TYPES and words.reject_reason in REASONS)


@pytest.mark.parametrize(("kind", "cause", "words"), [
    (EventKind.SENT, "", Anymail("sent", None)),
    (EventKind.DEFERRED, "recipient-greylisted", Anymail("deferred", None)),
    (EventKind.FAILED, "recipient-unknown", Anymail("bounced", "bounced")),
    (EventKind.FAILED, "recipient-suppressed", Anymail("rejected", "blocked")),
    (EventKind.FAILED, "queue-expired", Anymail("failed", "timed_out")),
    (EventKind.FAILED, "unknown", Anymail("failed", "other")),
    (EventKind.BOUNCED, "unknown", Anymail("bounced", "bounced")),
    (EventKind.COMPLAINED, "recipient-complained", Anymail("complained", "spam")),
])
def test_an_event_says_what_anymail_would(kind: EventKind, cause: str, words: Anymail) -> None:
    assert in_anymail_words(kind, cause) == words


def event(kind: str = "message.sent", **message: object) -> dict[str, object]:
    return {"type": kind, "data": {"message": {"id": "1", **message}} if message or kind.startswith("message") else {}}


@pytest.mark.parametrize(("tags", "purposes", "message", "passes"), [
    ([], [], {"tags": [], "purpose": "alert"}, True),
    (["a", "b"], [], {"tags": ["b", "c"], "purpose": "alert"}, True),
    (["a", "b"], [], {"tags": ["c"], "purpose": "alert"}, False),
    (["a"], [], {"tags": ["A"], "purpose": "alert"}, False),
    ([], ["report"], {"tags": [], "purpose": "report"}, True),
    ([], ["report", "alert"], {"tags": [], "purpose": "notification"}, False),
    (["a"], ["report"], {"tags": ["a"], "purpose": "notification"}, False),
    (["a"], ["report"], {"tags": ["a"], "purpose": "report"}, True),
    (["a"], [], {}, False), ([], ["report"], {}, False), ([], [], {}, True),
])
def test_of_messages_a_webhook_hears_by_tag_and_purpose(
    tags: list[str], purposes: list[str], message: dict[str, object], passes: bool
) -> None:
    wanted = WebhookFilter(["message.sent"], tags, purposes)
    assert wanted.lets_pass(event(**message)) is passes
    assert not wanted.lets_pass(event("message.failed", **message))


def test_what_tells_of_no_message_passes_whatever_tags_and_purposes_say() -> None:
    wanted = WebhookFilter(["run.failed", "alert.opened"], ["a"], ["report"])
    assert wanted.lets_pass(event("run.failed"))
    assert wanted.lets_pass(event("alert.opened"))
    assert not wanted.lets_pass(event("run.started"))
