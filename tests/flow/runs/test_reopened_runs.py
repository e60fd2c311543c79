"""A run that somebody has go on later, and one of whose recipients not all can be written to."""

from datetime import timedelta

import pytest
from tests.flow.runs.test_run import NOW, STATE, Clock, carried_out, clock, runner, source
from tests.subscribed import CSV, asked, pushed, subscribed

from postroom.flow.domains.recipient_domains import allow_only
from postroom.flow.runs import run_sending
from postroom.flow.runs.run import Runner
from postroom.flow.runs.run_control import retry_missing
from postroom.flow.runs.run_progress import run_recipients
from postroom.store.models import ReportSource, Run, SmtpServer, Subscription

__all__ = ["clock", "runner", "source"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_an_older_run_that_goes_on_leaves_what_was_sent_last_as_it_was(
    runner: Runner, source: ReportSource, clock: Clock
) -> None:
    pushed(source, NOW)
    allow_only(["example.com"], "admin")
    subscription = subscribed(source, ("ann@example.com", "eve@elsewhere.example"))
    older = carried_out(runner, asked(subscription, NOW))
    clock.at = NOW + timedelta(hours=1)
    newest = pushed(source, clock.at, CSV + b"West,1\r\n")
    assert carried_out(runner, asked(subscription, clock.at), clock.at).state == STATE.WARNING
    allow_only([], "admin")
    retry_missing(older.pk, "ann", clock.at)
    assert carried_out(runner, older, clock.at).state == STATE.SUCCESS
    assert Subscription.objects.get().last_digest == newest.digest


FAULTY = "{% if recipient.address contains 'bad' %}{{ 1 | divided_by: 0 }}{% endif %}"


@pytest.mark.parametrize(
    ("addresses", "state", "slug", "queued"),
    [
        (("bad1@example.com", "bad2@example.com", "ann@example.com"), STATE.WARNING, "left-out", 1),
        (("ann@example.com", "bad1@example.com", "bad2@example.com"), STATE.WARNING, "left-out", 1),
        (("bad1@example.com", "bad2@example.com"), STATE.ERROR, "template", 0),
    ],
)
def test_recipients_whose_message_can_not_be_written_hold_up_no_others_of_their_group_or_of_later_ones(
    runner: Runner, source: ReportSource, monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...], state: str,
    slug: str, queued: int,
) -> None:
    monkeypatch.setattr(run_sending, "GROUP", 1)
    pushed(source, NOW)
    run = carried_out(runner, asked(subscribed(source, addresses, text=FAULTY), NOW))
    assert (run.state, run.problem["slug"], run.queued) == (state, slug, queued)  # type: ignore[index]
    assert {line.address for line in run_recipients(run, -1, 9) if not line.message_id} == {
        address for address in addresses if address.startswith("bad") and queued
    }


def test_a_run_whose_template_turns_out_to_suit_nobody_is_an_error_and_not_one_without_recipients(
    runner: Runner, source: ReportSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_sending, "GROUP", 1)
    pushed(source, NOW)
    run = waiting(runner, source, ("bad1@example.com", "bad2@example.com"))
    Run.objects.update(plan={**run.plan, "text": FAULTY})
    run = carried_out(runner, run, run.due_at)
    assert (run.state, run.problem["slug"], run.left_out) == (STATE.ERROR, "template", 1)  # type: ignore[index]


def waiting(runner: Runner, source: ReportSource, addresses: tuple[str, ...]) -> Run:
    """A run that is fixed, and has no server to go through."""
    SmtpServer.objects.update(enabled=False)
    run = carried_out(runner, asked(subscribed(source, addresses), NOW))
    assert run.state == STATE.SENDING
    return run


def test_a_run_that_somebody_has_go_on_waits_two_days_anew(runner: Runner, source: ReportSource, clock: Clock) -> None:
    pushed(source, NOW)
    run = waiting(runner, source, ("ann@example.com",))
    clock.at = NOW + timedelta(days=3)
    assert carried_out(runner, run, clock.at).state == STATE.ERROR
    retry_missing(run.pk, "ann", clock.at)
    for hours, state in ((0, STATE.SENDING), (47, STATE.SENDING), (49, STATE.ERROR)):
        clock.at = NOW + timedelta(days=3, hours=hours)
        assert carried_out(runner, run, clock.at).state == state


def test_a_run_that_an_older_version_fixed_waits_as_well(runner: Runner, source: ReportSource, clock: Clock) -> None:
    pushed(source, NOW)
    run = waiting(runner, source, ("ann@example.com",))
    Run.objects.update(plan={name: value for name, value in run.plan.items() if name != "fixed_at"})
    for hours, state in ((47, STATE.SENDING), (49, STATE.ERROR)):
        clock.at = NOW + timedelta(hours=hours)
        run = carried_out(runner, run, clock.at)
        assert run.state == state
    assert run.problem["slug"] != "fault"  # type: ignore[index]
