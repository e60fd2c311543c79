"""Samples of the queue: what waits, since when, and how long that is remembered."""

from datetime import UTC, datetime, timedelta

import pytest

from postroom.flow.delivery.sample_queue import forget_old_counts, oldest_waiting, sample_queue
from postroom.store.ids import id_at
from postroom.store.models import Delivery, Message, QueueSample
from postroom.terms.outcome import DeliveryState

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def waiting(state: DeliveryState, minutes: float, *, send_at: datetime | None = None) -> None:
    at = NOW - timedelta(minutes=minutes)
    message = Message.objects.create(
        id=id_at(at), message_id=f"<{minutes}@norrvik.example>", from_header="Reports <reports@norrvik.example>",
        content_digest="0" * 64, content_size=5, created_at=at, send_at=send_at, expires_at=NOW + timedelta(days=2),
    )
    Delivery.objects.create(
        message=message, recipient="ann@example.org", state=state, due_at=send_at or at, updated_at=at
    )


def test_a_sample_tells_what_waits_for_its_first_try_and_for_another_and_since_when() -> None:
    waiting(DeliveryState.QUEUED, 2)
    waiting(DeliveryState.SENDING, 3)
    waiting(DeliveryState.DEFERRED, 12)
    waiting(DeliveryState.UNCERTAIN, 4)
    waiting(DeliveryState.SENT, 90)
    sample_queue(NOW)
    sample = QueueSample.objects.get()
    assert (sample.at, sample.queued, sample.deferred, sample.oldest_s) == (NOW, 2, 2, 720.0)


def test_a_sample_of_an_empty_queue_says_so() -> None:
    sample_queue(NOW)
    sample = QueueSample.objects.get()
    assert (sample.queued, sample.deferred, sample.oldest_s) == (0, 0, 0.0)


def test_a_message_to_be_sent_later_does_not_wait_before_its_time() -> None:
    waiting(DeliveryState.QUEUED, 600, send_at=NOW + timedelta(hours=1))
    assert oldest_waiting(NOW) is None
    assert oldest_waiting(NOW + timedelta(hours=2)) == NOW + timedelta(hours=1)


def test_old_samples_are_thinned_to_the_deepest_of_each_half_hour_and_go_after_five_weeks() -> None:
    day = NOW - timedelta(days=3)
    for ago, depth in ((0, 5), (10, 8), (20, 7)):
        QueueSample.objects.create(at=day + timedelta(minutes=ago), queued=depth, deferred=0, oldest_s=0)
    QueueSample.objects.create(at=day + timedelta(minutes=30), queued=0, deferred=1, oldest_s=0)
    QueueSample.objects.create(at=NOW - timedelta(days=36), queued=1, deferred=0, oldest_s=0)
    for minutes in (1, 2):
        QueueSample.objects.create(at=NOW - timedelta(minutes=minutes), queued=0, deferred=0, oldest_s=0)
    forget_old_counts(NOW)
    kept = QueueSample.objects.order_by("at").values_list("at", flat=True)
    assert list(kept) == [
        day + timedelta(minutes=10), day + timedelta(minutes=30),
        NOW - timedelta(minutes=2), NOW - timedelta(minutes=1),
    ]
