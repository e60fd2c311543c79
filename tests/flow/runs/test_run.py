"""A run: its report once, then one message for each recipient, and an end that says what became of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from tests.flow.acceptance.test_accept import saved
from tests.outbox import octets_of
from tests.subscribed import CSV, asked, pushed, pushed_source, subscribed

from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.domains.recipient_domains import allow_only
from postroom.flow.instance.refusals import NotPossible
from postroom.flow.recipients.suppression import Entry, suppress
from postroom.flow.runs import run_report
from postroom.flow.runs.run import Runner
from postroom.flow.runs.run_control import retry_missing, stop
from postroom.flow.runs.run_log import log_text
from postroom.flow.runs.run_progress import progress, run_recipients, standing
from postroom.store.blobs import Blobs
from postroom.store.models import (
    AuditEntry,
    Delivery,
    Message,
    OutcomeNotice,
    ReportLink,
    ReportSource,
    Run,
    RunRecipient,
    SmtpServer,
    Subscriber,
    Subscription,
    Upload,
)
from postroom.store.outbox import open_outbox
from postroom.store.run_claim import RunLost, claim_run, store_fenced
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import worded

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
STATE = Run.State


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def runner(data_dir: Path, clock: Clock) -> Iterator[Runner]:
    saved()
    outbox = open_outbox()
    yield Runner(Acceptor(outbox.queue, Blobs(data_dir / "blobs")), clock)
    outbox.close()


@pytest.fixture
def source() -> ReportSource:
    return pushed_source()


def carried_out(runner: Runner, run: Run, at: datetime = NOW) -> Run:
    claimed = claim_run(at)
    assert claimed is not None
    assert claimed.pk == run.pk
    async_to_sync(runner.carry_out)(claimed)
    return Run.objects.get(pk=run.pk)


def mails(data_dir: Path) -> dict[str, EmailMessage]:
    return {
        message.deliveries.get().recipient:
            message_from_bytes(octets_of(message, data_dir / "blobs"), policy=policy.default)
        for message in Message.objects.all()
    }


def files(mail: EmailMessage) -> dict[str | None, bytes]:
    return {part.get_filename(): part.get_payload(decode=True) for part in mail.iter_attachments()}  # type: ignore[misc]


def told(run: Run) -> list[tuple[str, str]]:
    return [(line["level"], line["text"]) for line in run.log]


def test_each_recipient_gets_a_message_of_their_own_with_the_report(
    runner: Runner, source: ReportSource, data_dir: Path
) -> None:
    pushed(source, NOW)
    subscription = subscribed(source, ("ann@example.com", "bob@example.com"), text="Hello {{ recipient.name }}")
    run = carried_out(runner, asked(subscription, NOW))
    assert (run.state, run.planned, run.queued, run.left_out) == (STATE.SUCCESS, 2, 2, 0)
    got = mails(data_dir)
    assert set(got) == {"ann@example.com", "bob@example.com"}
    for address, mail in got.items():
        assert (mail["To"], files(mail)) == (address, {"sales.csv": CSV})
        assert f"Hello {address}" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        assert mail["List-Unsubscribe"] is not None
    assert Upload.objects.count() == 1
    assert set(RunRecipient.objects.values_list("message_id", flat=True)) == set(
        Message.objects.values_list("pk", flat=True)
    )
    message = Message.objects.all()[0]
    assert (message.purpose, message.metadata["run"], message.client_name) == ("report", run.pk, "Weekly sales")


@pytest.mark.parametrize(("language", "words"), [("en", "Leave this list"), ("fr", "Quitter cette liste")])
def test_s5_text_and_html_end_with_the_link_of_the_header_by_which_their_recipient_leaves(
    runner: Runner, source: ReportSource, data_dir: Path, language: str, words: str
) -> None:
    pushed(source, NOW)
    subscription = subscribed(source, ("ann@example.com", "bob@example.com"), language=language)
    Subscriber.objects.create(subscription=subscription, address="archive@example.com", place="bcc")
    assert carried_out(runner, asked(subscription, NOW)).state == STATE.SUCCESS
    got = {address: (bodies(mail), mail["List-Unsubscribe"]) for address, mail in mails(data_dir).items()}
    links = {address: str(link).strip("<>") for address, (_, link) in got.items() if link}
    assert len(set(links.values())) == 2
    for address, ((text, html), _) in got.items():
        assert (words in text, words in html) == (address in links, address in links)
        assert ".invalid" not in text + html
    for address, link in links.items():
        assert link in got[address][0][0]
        assert f'href="{link}"' in got[address][0][1]


def bodies(mail: EmailMessage) -> tuple[str, str]:
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


def test_the_log_tells_each_step_in_words(runner: Runner, source: ReportSource) -> None:
    pushed(source, NOW)
    run = carried_out(runner, asked(subscribed(source), NOW))
    assert told(run) == [
        ("information", "Fetches the report from Sales."),
        ("information", f"Got sales.csv: {len(CSV)} bytes, rows: 3."),
        ("information", "Recipients: 1; left out: 0."),
        ("information", "Messages queued: 1."),
    ]
    assert log_text(run).splitlines()[0] == "2026-11-23 08:00:00Z  information  Fetches the report from Sales."


def test_who_left_the_list_is_left_out_and_an_archive_gets_a_copy_without_a_link(
    runner: Runner, source: ReportSource, data_dir: Path
) -> None:
    pushed(source, NOW)
    subscription = subscribed(source, ("ann@example.com", "bob@example.com"))
    Subscriber.objects.create(subscription=subscription, address="archive@example.com", place="bcc")
    suppress([Entry("bob@example.com", "unsubscribe", "Weekly sales")], actor="recipient", now=NOW)
    run = carried_out(runner, asked(subscription, NOW))
    assert (run.state, run.planned, run.queued, run.left_out) == (STATE.SUCCESS, 3, 2, 1)
    assert RunRecipient.objects.get(address="bob@example.com").left_out == "unsubscribe"
    got = mails(data_dir)
    assert set(got) == {"ann@example.com", "archive@example.com"}
    assert got["archive@example.com"]["List-Unsubscribe"] is None


def test_s3_a_run_that_is_taken_up_again_writes_to_nobody_twice(
    runner: Runner, source: ReportSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(source, NOW)
    run = asked(subscribed(source, [f"r{n}@example.com" for n in range(450)]), NOW)
    claimed = claim_run(NOW)
    assert claimed is not None
    real = Acceptor.accept_each
    groups = 0

    async def dying(self: Acceptor, *args: Any) -> Any:
        """The engine ends after a group is queued and before that is noted."""
        nonlocal groups
        groups += 1
        accepted = await real(self, *args)
        if groups == 2:
            raise KeyboardInterrupt
        return accepted

    monkeypatch.setattr(Acceptor, "accept_each", dying)
    with pytest.raises(KeyboardInterrupt):
        async_to_sync(runner.carry_out)(claimed)
    monkeypatch.setattr(Acceptor, "accept_each", real)
    assert (Run.objects.get().queued, Message.objects.count()) == (200, 400)
    after = NOW + timedelta(minutes=2)
    again = claim_run(after)
    assert again is not None
    async_to_sync(runner.carry_out)(again)
    assert (Run.objects.get().state, Run.objects.get().queued) == (STATE.SUCCESS, 450)
    assert Message.objects.count() == 450
    assert len(set(Message.objects.values_list("deliveries__recipient", flat=True))) == 450
    assert run.pk == again.pk


def test_s3_an_engine_that_wakes_late_changes_nothing_and_writes_to_nobody_twice(
    runner: Runner, source: ReportSource
) -> None:
    pushed(source, NOW)
    asked(subscribed(source, ("ann@example.com", "bob@example.com")), NOW)
    late = claim_run(NOW)
    assert late is not None
    assert claim_run(NOW + timedelta(seconds=59)) is None
    assert carried_out(runner, late, NOW + timedelta(seconds=61)).state == STATE.SUCCESS
    with pytest.raises(RunLost):
        async_to_sync(runner.carry_out)(late)
    with pytest.raises(RunLost):
        store_fenced(late, queued=99)
    assert (Run.objects.get().queued, Message.objects.count()) == (2, 2)


def test_s7_no_report_at_all_is_a_warning_after_the_last_try_and_nobody_gets_anything(
    runner: Runner, source: ReportSource, clock: Clock
) -> None:
    run = asked(subscribed(source, retry={"times": 1, "pause_s": 600}), NOW)
    run = carried_out(runner, run)
    assert (run.state, run.try_number, run.due_at) == (STATE.WAITING, 1, NOW + timedelta(minutes=10))
    assert told(run)[-1] == ("warning", "Tries again in 10 min. Tries left: 1.")
    assert claim_run(NOW + timedelta(minutes=9)) is None
    clock.at = NOW + timedelta(minutes=10)
    run = carried_out(runner, run, clock.at)
    assert (run.state, run.problem["slug"]) == (STATE.WARNING, "source-missing")  # type: ignore[index]
    assert not Message.objects.exists()


def test_s7_a_report_that_comes_with_a_later_try_is_sent(runner: Runner, source: ReportSource, clock: Clock) -> None:
    run = carried_out(runner, asked(subscribed(source, retry={"times": 3, "pause_s": 60}), NOW))
    pushed(source, NOW)
    clock.at = NOW + timedelta(minutes=1)
    assert carried_out(runner, run, clock.at).state == STATE.SUCCESS


@pytest.mark.parametrize(
    ("conditions", "octets", "state", "slug"),
    [
        ({}, b"region\r\n", STATE.WARNING, "no-rows"),
        ({"least_rows": 0}, b"region\r\n", STATE.SUCCESS, None),
        ({"least_rows": 1}, b"region\r\n", STATE.SKIPPED, "too-few-rows"),
        ({"least_rows": 4}, CSV, STATE.SKIPPED, "too-few-rows"),
        ({"least_rows": 3}, CSV, STATE.SUCCESS, None),
    ],
)
def test_s7_an_empty_report_is_mailed_only_where_that_is_asked_for(
    runner: Runner, source: ReportSource, conditions: dict[str, Any], octets: bytes, state: str, slug: str | None
) -> None:
    pushed(source, NOW, octets)
    run = carried_out(runner, asked(subscribed(source, conditions=conditions), NOW))
    assert (run.state, run.problem["slug"] if run.problem else None) == (state, slug)
    assert Message.objects.exists() is (state == STATE.SUCCESS)


def test_the_same_report_is_not_sent_again_unless_somebody_asks_for_it_themselves(
    runner: Runner, source: ReportSource
) -> None:
    pushed(source, NOW)
    subscription = subscribed(source, conditions={"only_if_changed": True})
    assert carried_out(runner, asked(subscription, NOW, only_to="me@example.com")).state == STATE.SUCCESS
    assert carried_out(runner, asked(subscription, NOW)).state == STATE.SUCCESS
    assert carried_out(runner, asked(subscription, NOW)).state == STATE.SKIPPED
    assert carried_out(runner, asked(subscription, NOW, only_to="me@example.com")).state == STATE.SUCCESS
    pushed(source, NOW + timedelta(minutes=1), CSV + b"West,1\r\n")
    assert carried_out(runner, asked(subscription, NOW)).state == STATE.SUCCESS


def test_recipients_that_no_mail_may_go_to_are_left_out_and_the_others_get_theirs(
    runner: Runner, source: ReportSource
) -> None:
    pushed(source, NOW)
    allow_only(["example.com"], "admin")
    run = carried_out(runner, asked(subscribed(source, ("ann@example.com", "eve@elsewhere.example")), NOW))
    assert (run.state, run.queued, run.left_out) == (STATE.WARNING, 1, 1)
    assert RunRecipient.objects.get(address="eve@elsewhere.example").left_out == "domain-not-allowed"
    assert told(run)[-1][0] == "warning"


def test_a_report_too_large_for_the_server_becomes_a_link_for_each(
    runner: Runner, source: ReportSource, data_dir: Path
) -> None:
    server = SmtpServer.objects.get()
    limits = server.typed_settings.limits.__class__(size_bytes=100_000)
    SmtpServer.objects.update(settings=server.typed_settings.changed(limits=limits).as_json())
    pushed(source, NOW, b"n\r\n" + b"12345678\r\n" * 20_000)
    run = carried_out(runner, asked(subscribed(source, ("ann@example.com", "bob@example.com")), NOW))
    assert run.state == STATE.SUCCESS
    assert ReportLink.objects.count() == 2
    bodies = [mail.get_body(("plain",)).get_content() for mail in mails(data_dir).values()]  # type: ignore[union-attr]
    assert all("/reports/" in body for body in bodies)
    assert len(set(bodies)) == 2
    assert any("get through" in text for _, text in told(run))


@pytest.mark.parametrize("form", ["zip", "embed"])
def test_the_report_travels_zipped_or_in_the_body_as_asked(
    runner: Runner, source: ReportSource, data_dir: Path, form: str
) -> None:
    pushed(source, NOW)
    assert carried_out(runner, asked(subscribed(source, form=form), NOW)).state == STATE.SUCCESS
    mail = mails(data_dir)["ann@example.com"]
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    if form == "zip":
        assert list(files(mail)) == ["sales.zip"]
    else:
        assert not files(mail)
        assert "North" in html


def test_a_template_that_can_not_be_filled_in_ends_the_run_before_anybody_gets_anything(
    runner: Runner, source: ReportSource
) -> None:
    pushed(source, NOW)
    run = carried_out(runner, asked(subscribed(source, subject="{{ recipient.name"), NOW))
    assert (run.state, run.problem["slug"]) == (STATE.ERROR, "template")  # type: ignore[index]
    assert not RunRecipient.objects.exists()


def test_without_a_server_a_run_waits_and_goes_on_by_itself(
    runner: Runner, source: ReportSource, clock: Clock
) -> None:
    pushed(source, NOW)
    SmtpServer.objects.update(enabled=False)
    run = carried_out(runner, asked(subscribed(source), NOW))
    assert (run.state, run.lease_until) == (STATE.SENDING, None)
    clock.at = run.due_at
    carried_out(runner, run, clock.at)
    assert [text for _, text in told(Run.objects.get())].count(told(run)[-1][1]) == 1
    SmtpServer.objects.update(enabled=True)
    clock.at = Run.objects.get().due_at
    assert carried_out(runner, run, clock.at).state == STATE.SUCCESS


def test_what_somebody_stops_ends_and_what_was_queued_stays(runner: Runner, source: ReportSource) -> None:
    pushed(source, NOW)
    run = carried_out(runner, asked(subscribed(source), NOW, stop_requested=True))
    assert (run.state, run.problem["slug"]) == (STATE.CANCELLED, "stopped")  # type: ignore[index]
    assert not Message.objects.exists()


def test_a_stop_that_is_asked_for_while_the_report_is_fetched_waits_out_no_pause(
    runner: Runner, source: ReportSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = asked(subscribed(source, retry={"times": 3, "pause_s": 3600}), NOW)

    def stopped_meanwhile(*_: Any) -> Any:
        stop(run.pk, "ann")
        raise SourceFault(SourceFaultKind.TIMEOUT, worded("The server did not answer."))

    monkeypatch.setattr(run_report, "fetched", stopped_meanwhile)
    ended = carried_out(runner, run)
    assert (ended.state, ended.problem) == (STATE.CANCELLED, ended.problem | {"slug": "stopped"})
    assert claim_run(NOW + timedelta(days=1)) is None


def test_nobody_to_write_to_is_a_warning(runner: Runner, source: ReportSource) -> None:
    pushed(source, NOW)
    run = carried_out(runner, asked(subscribed(source, ()), NOW))
    assert (run.state, run.problem["slug"]) == (STATE.WARNING, "nobody")  # type: ignore[index]


def test_a_report_that_ends_its_engine_again_and_again_is_given_up(runner: Runner, source: ReportSource) -> None:
    pushed(source, NOW)
    run = carried_out(runner, asked(subscribed(source), NOW, state=STATE.FETCHING, plan={"lost": 5}))
    assert (run.state, run.problem["slug"]) == (STATE.ERROR, "engine-ended")  # type: ignore[index]


def test_a_run_that_failed_goes_on_for_those_who_got_nothing_and_for_nobody_else(
    runner: Runner, source: ReportSource
) -> None:
    pushed(source, NOW)
    allow_only(["example.com"], "admin")
    run = carried_out(runner, asked(subscribed(source, ("ann@example.com", "eve@elsewhere.example")), NOW))
    first = Message.objects.get()
    allow_only([], "admin")
    retry_missing(run.pk, "ann", NOW)
    run = carried_out(runner, run)
    assert (run.state, run.queued, run.left_out, run.problem) == (STATE.SUCCESS, 2, 0, None)
    assert Message.objects.exclude(pk=first.pk).get().deliveries.get().recipient == "eve@elsewhere.example"
    with pytest.raises(NotPossible):
        retry_missing(run.pk, "ann", NOW)


def test_a_message_that_failed_is_tried_again_as_it_is_unless_its_recipient_wants_none(
    runner: Runner, source: ReportSource
) -> None:
    pushed(source, NOW)
    run = carried_out(runner, asked(subscribed(source, ("ann@example.com", "bob@example.com")), NOW))
    Delivery.objects.filter(recipient="ann@example.com").update(state="failed", cause="mailbox-full")
    Delivery.objects.filter(recipient="bob@example.com").update(state="failed", cause="recipient-suppressed")
    retry_missing(run.pk, "ann", NOW)
    assert dict(Delivery.objects.values_list("recipient", "state")) == {
        "ann@example.com": "queued", "bob@example.com": "failed",
    }
    assert carried_out(runner, run).state == STATE.SUCCESS
    assert Message.objects.count() == 2


def test_a_run_that_failed_before_its_recipients_were_fixed_begins_anew(runner: Runner, source: ReportSource) -> None:
    run = carried_out(runner, asked(subscribed(source), NOW))
    assert run.state == STATE.WARNING
    pushed(source, NOW)
    retry_missing(run.pk, "ann", NOW)
    assert carried_out(runner, run).state == STATE.SUCCESS
    assert AuditEntry.objects.filter(action="run.retry", actor="ann").exists()


def test_a_run_is_told_of_once_however_often_it_tries_and_anew_when_somebody_has_it_try_again(
    runner: Runner, source: ReportSource, clock: Clock
) -> None:
    subscription = subscribed(source, retry={"times": 1, "pause_s": 60})
    OutcomeNotice.objects.create(subscription=subscription, outcome="warning", addresses=["owner@example.com"])
    run = carried_out(runner, asked(subscription, NOW))
    assert (run.state, Message.objects.count()) == (STATE.WAITING, 0)
    clock.at = NOW + timedelta(minutes=1)
    run = carried_out(runner, run, clock.at)
    assert (run.state, Message.objects.count()) == (STATE.WARNING, 1)
    retry_missing(run.pk, "ann", clock.at)
    run = carried_out(runner, run, clock.at)
    assert (run.state, Message.objects.count()) == (STATE.WAITING, 1)
    clock.at += timedelta(minutes=1)
    run = carried_out(runner, run, clock.at)
    assert (run.state, Message.objects.count()) == (STATE.WARNING, 2)


def test_a_waiting_run_is_stopped_at_once_and_a_running_one_at_its_next_group(
    runner: Runner, source: ReportSource
) -> None:
    pushed(source, NOW)
    waiting = asked(subscribed(source), NOW + timedelta(hours=1))
    assert stop(waiting.pk, "ann").state == STATE.CANCELLED
    with pytest.raises(NotPossible):
        stop(waiting.pk, "ann")
    assert claim_run(NOW + timedelta(hours=2)) is None
    running = asked(Subscription.objects.get(), NOW)
    claimed = claim_run(NOW)
    assert claimed is not None
    assert stop(running.pk, "ann").state == STATE.WAITING
    async_to_sync(runner.carry_out)(claimed)
    assert (Run.objects.get(pk=running.pk).state, Message.objects.count()) == (STATE.CANCELLED, 0)


def test_progress_tells_how_many_are_queued_and_when_the_last_one_will_be() -> None:
    run = Run(state=STATE.SENDING, planned=1_010, left_out=10, queued=250, plan={"fixed_at": NOW.isoformat()})
    told_at = NOW + timedelta(seconds=50)
    going = progress(run, told_at)
    assert (going.to_queue, going.ends_at) == (1_000, told_at + timedelta(seconds=150))
    run.queued = 3
    assert progress(run, told_at).ends_at is None
    run.queued, run.state = 1_000, STATE.SUCCESS
    assert progress(run, told_at).ends_at is None


def test_each_recipient_of_a_run_is_told_with_the_state_of_their_delivery(runner: Runner, source: ReportSource) -> None:
    pushed(source, NOW)
    subscription = subscribed(source, ("ann@example.com", "bob@example.com", "eve@example.com"))
    suppress([Entry("bob@example.com", "unsubscribe", "Weekly sales")], actor="recipient", now=NOW)
    run = carried_out(runner, asked(subscription, NOW))
    Delivery.objects.filter(recipient="eve@example.com").update(state="sent")
    assert standing(run) == {"queued": 1, "sent": 1}
    lines = run_recipients(run, -1, 10)
    assert [(line.address, line.left_out, line.state) for line in lines] == [
        ("ann@example.com", "", "queued"), ("bob@example.com", "unsubscribe", ""), ("eve@example.com", "", "sent"),
    ]
    assert [line.address for line in run_recipients(run, lines[1].position, 10)] == ["eve@example.com"]
