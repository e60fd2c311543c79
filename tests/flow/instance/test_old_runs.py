"""Runs and whom they reached are kept as long as messages, and the last one of each subscription for good."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.subscribed import asked, pushed_source, subscribed

from postroom.flow.instance.old_runs import forget_old_runs
from postroom.store.models import Run, RunRecipient, Subscription

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=90)


@pytest.fixture
def subscription() -> Subscription:
    return subscribed(pushed_source())


def ended(subscription: Subscription, days_ago: int, state: str = Run.State.SUCCESS, **values: Any) -> Run:
    at = NOW - timedelta(days=days_ago)
    run = asked(subscription, at, state=state, finished_at=None if state == Run.State.SENDING else at, **values)
    addresses = [f"r{n}@example.com" for n in range(3)]
    RunRecipient.objects.bulk_create(
        RunRecipient(run=run, position=n, address=each, address_key=each) for n, each in enumerate(addresses)
    )
    return run


def test_old_runs_go_with_their_recipients_and_the_last_one_stays(subscription: Subscription) -> None:
    ended(subscription, 200), ended(subscription, 100, Run.State.ERROR)
    fresh, last = ended(subscription, 10), ended(subscription, 95)
    assert sum(forget_old_runs(SINCE)) == 2 * 3 + 2
    assert set(Run.objects.values_list("pk", flat=True)) == {fresh.pk, last.pk}
    assert RunRecipient.objects.count() == 6


def test_a_run_that_is_not_over_stays_however_old(subscription: Subscription) -> None:
    going = ended(subscription, 200, Run.State.SENDING)
    ended(subscription, 1)
    assert sum(forget_old_runs(SINCE)) == 0
    assert Run.objects.filter(pk=going.pk).exists()


def test_what_is_kept_for_ever_is(subscription: Subscription) -> None:
    ended(subscription, 200), ended(subscription, 100)
    assert list(forget_old_runs(None)) == []
    assert Run.objects.count() == 2
