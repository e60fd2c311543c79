"""Who works on a run: one engine at a time, by lease and fence."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from tests.subscribed import asked, pushed_source, subscribed

from postroom.store.models import Run, Subscription
from postroom.store.run_claim import LEASE, RunLost, claim_run, free_runs, give_back, renew_runs, store_fenced

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def subscription() -> Subscription:
    return subscribed(pushed_source())


def test_of_many_engines_one_has_each_run(subscription: Subscription) -> None:
    wanted = {asked(subscription, NOW).pk for _ in range(12)}
    claimed: list[str] = []

    def claim() -> None:
        while (run := claim_run(NOW)) is not None:
            claimed.append(run.pk)
        connection.close()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(claimed), set(claimed)) == (12, wanted)


def test_what_has_been_due_longest_comes_first_and_what_is_over_never(subscription: Subscription) -> None:
    later, first = asked(subscription, NOW), asked(subscription, NOW - timedelta(hours=1))
    asked(subscription, NOW + timedelta(seconds=1))
    asked(subscription, NOW - timedelta(days=1), state=Run.State.SUCCESS)
    found = [claim_run(NOW), claim_run(NOW), claim_run(NOW)]
    assert [run and run.pk for run in found] == [first.pk, later.pk, None]


def test_a_pause_holds_what_waits_by_itself_until_it_ends_and_nothing_else(subscription: Subscription) -> None:
    by_itself = {asked(subscription, NOW, cause=cause).pk for cause in ("schedule", "catch-up", "push")}
    others = {
        asked(subscription, NOW).pk, asked(subscription, NOW, cause="schedule", reopened=1).pk,
        asked(subscription, NOW, cause="schedule", state=Run.State.SENDING).pk,
        asked(subscription, NOW, cause="push", stop_requested=True).pk,
    }
    Subscription.objects.update(paused_at=NOW)
    assert claimed_now() == others
    Subscription.objects.update(paused_at=None)
    assert claimed_now() == by_itself


def claimed_now() -> set[str]:
    found = set()
    while (run := claim_run(NOW)) is not None:
        found.add(run.pk)
    return found


def test_a_lease_that_is_renewed_holds_and_one_that_ends_is_taken_over(subscription: Subscription) -> None:
    asked(subscription, NOW)
    run = claim_run(NOW)
    assert run is not None
    renew_runs([(run.pk, run.fence)], NOW + LEASE / 2)
    assert claim_run(NOW + LEASE) is None
    other = claim_run(NOW + 2 * LEASE)
    assert other is not None
    assert other.fence > run.fence
    renew_runs([(run.pk, run.fence)], NOW + 9 * LEASE)
    give_back([run])
    assert claim_run(NOW + 2 * LEASE) is None
    with pytest.raises(RunLost):
        store_fenced(run, queued=1)
    store_fenced(other, queued=1)
    assert (Run.objects.get().queued, other.queued) == (1, 1)


def test_a_run_that_was_removed_or_is_over_is_lost(subscription: Subscription) -> None:
    asked(subscription, NOW)
    run = claim_run(NOW)
    assert run is not None
    store_fenced(run, state=Run.State.SUCCESS)
    with pytest.raises(RunLost):
        store_fenced(run, queued=1)


def test_what_is_given_back_or_left_behind_is_taken_up_at_once(subscription: Subscription) -> None:
    asked(subscription, NOW)
    run = claim_run(NOW)
    assert run is not None
    give_back([run])
    again = claim_run(NOW)
    assert again is not None
    assert free_runs("") == 1
    assert claim_run(NOW, [again.pk]) is None
    assert claim_run(NOW) is not None


def test_a_restart_while_a_report_is_fetched_is_not_counted_as_an_engine_that_ended(subscription: Subscription) -> None:
    asked(subscription, NOW)
    run = claim_run(NOW)
    assert run is not None
    for count in range(9):
        store_fenced(run, state=Run.State.FETCHING, plan={"lost": 1, "try": count})
        give_back([run], is_stop=True)
        assert (Run.objects.get().plan, Run.objects.get().lease_until) == ({"lost": 0, "try": count}, None)
    store_fenced(run, state=Run.State.SENDING, plan={"lost": 1})
    give_back([run], is_stop=True)
    assert Run.objects.get().plan == {"lost": 1}


def test_an_engine_that_comes_back_takes_up_what_it_left_and_nothing_of_another_one(
    subscription: Subscription,
) -> None:
    for _ in range(2):
        asked(subscription, NOW)
    mine, others = claim_run(NOW, engine="mail1/1"), claim_run(NOW, engine="mail2/1")
    assert mine is not None
    assert others is not None
    assert claim_run(NOW, engine="mail1/1") is None
    assert free_runs("mail1/1") == 1
    again = claim_run(NOW, engine="mail1/1")
    assert again is not None
    assert (again.pk, again.fence) == (mine.pk, mine.fence + 1)
    assert claim_run(NOW, engine="mail1/1") is None
