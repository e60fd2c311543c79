"""Who gets what of a run: each their own part of the report, and in test mode one address everything."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.flow.acceptance.test_accept import RELAY, saved
from tests.flow.runs.test_run import NOW, STATE, Clock, bodies, carried_out, clock, files, mails, runner, source
from tests.subscribed import CSV, asked, pushed, subscribed

from postroom.flow.acceptance.test_mode import clear_for_server, clear_for_site, set_for_server, set_for_site
from postroom.flow.domains.recipient_domains import allow_only
from postroom.flow.instance.refusals import NotPossible
from postroom.flow.recipients.unsubscribe import link_of
from postroom.flow.runs.run import Runner
from postroom.flow.runs.run_control import retry_missing
from postroom.flow.servers.delivery_rules import add_rule
from postroom.store.models import (
    Delivery,
    Message,
    Recipient,
    ReportSource,
    SmtpServer,
    StoredReport,
    Subscription,
)

__all__ = ["clock", "runner", "source"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_test_mode_of_the_subscription_goes_to_one_address_and_is_no_last_report(
    runner: Runner, source: ReportSource, data_dir: Path
) -> None:
    pushed(source, NOW)
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    mode = {"address": "marta@example.com", "until": until, "by": "ann", "language": "en"}
    subscription = subscribed(source, ("ann@example.com",), test_mode=mode, conditions={"only_if_changed": True})
    run = carried_out(runner, asked(subscription, NOW))
    assert run.state == STATE.SUCCESS
    mail = mails(data_dir)["marta@example.com"]
    assert mail["Subject"].startswith("[Test for ann@example.com] Weekly sales")
    leave = str(mail["List-Unsubscribe"]).strip("<>")
    link = link_of(leave.rpartition("/")[2])
    assert link is not None
    assert link.address == "marta@example.com", "who tries the link in a test takes nobody else off the list"
    assert all(leave in body for body in bodies(mail))
    assert Subscription.objects.get().last_digest == ""


@pytest.mark.parametrize("by_rule", [False, True])
def test_a_test_mode_of_a_server_that_nobody_named_leaves_the_last_report_as_it_was(
    runner: Runner, source: ReportSource, data_dir: Path, by_rule: bool
) -> None:
    pushed(source, NOW)
    tested = SmtpServer.objects.get()
    if by_rule:
        tested = saved(RELAY.changed(name="Other"))
        add_rule({"server": tested.pk, "recipient_domains": ["example.com"]}, "ann")
    until = datetime.now(UTC) + timedelta(days=1)
    set_for_server(tested.pk, "marta@example.com", until, "ann", datetime.now(UTC))
    subscription = subscribed(source, ("ann@example.com",), conditions={"only_if_changed": True})
    run = carried_out(runner, asked(subscription, NOW))
    assert (run.state, bool(run.plan["test_mode"])) == (STATE.SUCCESS, True)
    assert list(mails(data_dir)) == ["marta@example.com"]
    assert Subscription.objects.get().last_digest == ""
    clear_for_server(tested.pk, "ann")
    assert carried_out(runner, asked(subscription, NOW)).state == STATE.SUCCESS
    assert Subscription.objects.get().last_digest != ""


def test_a_run_of_which_a_part_reached_those_it_is_meant_for_is_the_last_report(
    runner: Runner, source: ReportSource
) -> None:
    pushed(source, NOW)
    tested = saved(RELAY.changed(name="Other"))
    add_rule({"server": tested.pk, "recipient_domains": ["elsewhere.example"]}, "ann")
    until = datetime.now(UTC) + timedelta(days=1)
    set_for_server(tested.pk, "marta@example.com", until, "ann", datetime.now(UTC))
    run = carried_out(runner, asked(subscribed(source, ("ann@example.com", "eve@elsewhere.example")), NOW))
    assert (run.state, run.plan["test_mode"]) == (STATE.SUCCESS, {})
    assert set(Delivery.objects.values_list("recipient", flat=True)) == {"ann@example.com", "marta@example.com"}
    assert Subscription.objects.get().last_digest != ""


def test_a_run_that_began_as_a_test_stays_one_when_test_mode_ends_meanwhile(
    runner: Runner, source: ReportSource, clock: Clock
) -> None:
    pushed(source, NOW)
    set_for_site("marta@example.com", NOW + timedelta(hours=1), "ann", NOW)
    SmtpServer.objects.update(enabled=False)
    subscription = subscribed(source, ("ann@example.com",), conditions={"only_if_changed": True})
    run = carried_out(runner, asked(subscription, NOW))
    clear_for_site("ann")
    SmtpServer.objects.update(enabled=True)
    clock.at = NOW + timedelta(hours=2)
    assert carried_out(runner, run, clock.at).state == STATE.SUCCESS
    assert Delivery.objects.get().recipient == "marta@example.com"
    assert Subscription.objects.get().last_digest == ""


def test_a_run_for_its_true_recipients_does_not_go_on_while_test_mode_is_on(
    runner: Runner, source: ReportSource
) -> None:
    pushed(source, NOW)
    allow_only(["example.com"], "admin")
    run = carried_out(runner, asked(subscribed(source, ("ann@example.com", "eve@elsewhere.example")), NOW))
    set_for_site("marta@example.com", NOW + timedelta(hours=1), "ann", NOW)
    with pytest.raises(NotPossible, match="Test mode is on"):
        retry_missing(run.pk, "ann", NOW)
    clear_for_site("ann")
    retry_missing(run.pk, "ann", NOW)


def test_each_gets_the_part_that_a_column_names_for_them(
    runner: Runner, source: ReportSource, data_dir: Path
) -> None:
    pushed(source, NOW)
    subscription = subscribed(
        source, ("ann@example.com", "bob@example.com", "eve@example.com"),
        iteration={"column": "region", "value": "region"}, subject="Sales {{ part }}",
    )
    Recipient.objects.filter(address="ann@example.com").update(values={"region": "North"})
    Recipient.objects.filter(address="bob@example.com").update(values={"region": "South"})
    run = carried_out(runner, asked(subscription, NOW))
    got = mails(data_dir)
    assert files(got["ann@example.com"]) == {"sales North.csv": b"\xef\xbb\xbfregion,orders\r\nNorth,12\r\nNorth,3\r\n"}
    assert files(got["bob@example.com"]) == {"sales South.csv": b"\xef\xbb\xbfregion,orders\r\nSouth,7\r\n"}
    assert got["bob@example.com"]["Subject"] == "Sales South"
    assert (run.state, run.problem["slug"], run.left_out) == (STATE.WARNING, "no-file", 1)  # type: ignore[index]


def test_a_value_with_a_comma_is_one_value_where_the_column_has_it_and_several_else(
    runner: Runner, source: ReportSource
) -> None:
    pushed(source, NOW, b'region,orders\r\n"Smith, John",1\r\nSmith,2\r\nJohn,3\r\n')
    subscription = subscribed(
        source, ("ann@example.com", "bob@example.com"), iteration={"column": "region", "value": "region"},
    )
    Recipient.objects.filter(address="ann@example.com").update(values={"region": "Smith, John"})
    Recipient.objects.filter(address="bob@example.com").update(values={"region": "John, Smith"})
    run = carried_out(runner, asked(subscription, NOW))
    assert run.state == STATE.SUCCESS
    got = sorted((m.deliveries.get().recipient, m.attachments[0]["filename"]) for m in Message.objects.all())
    assert got == [("ann@example.com", "sales Smith, John.csv"), ("bob@example.com", "sales John.csv"),
                   ("bob@example.com", "sales Smith.csv")]


def test_rows_without_a_value_go_to_nobody_who_has_none(
    runner: Runner, source: ReportSource, data_dir: Path
) -> None:
    pushed(source, NOW, CSV + b",99\r\n")
    subscription = subscribed(
        source, ("ann@example.com", "bob@example.com"), iteration={"column": "region", "value": "region"},
    )
    Recipient.objects.filter(address="ann@example.com").update(values={"region": "North,"})
    run = carried_out(runner, asked(subscription, NOW))
    got = mails(data_dir)
    assert {address: list(files(mail)) for address, mail in got.items()} == {"ann@example.com": ["sales North.csv"]}
    assert (run.state, run.left_out) == (STATE.WARNING, 1)


def test_whose_own_part_was_removed_meanwhile_does_not_get_the_whole_report_by_another_try(
    runner: Runner, source: ReportSource
) -> None:
    pushed(source, NOW)
    allow_only(["example.com"], "admin")
    subscription = subscribed(source, (), iteration={"column": "region", "to": {"North": ["eve@elsewhere.example"]}})
    run = carried_out(runner, asked(subscription, NOW))
    StoredReport.objects.filter(source=None).delete()
    allow_only([], "admin")
    retry_missing(run.pk, "ann", NOW)
    run = carried_out(runner, run)
    assert (run.state, run.problem["slug"]) == (STATE.ERROR, "source-storage")  # type: ignore[index]
    assert not Message.objects.exists()


def test_a_mapping_names_who_gets_which_part_and_may_name_others(runner: Runner, source: ReportSource) -> None:
    pushed(source, NOW)
    subscription = subscribed(source, ("ann@example.com",), iteration={
        "column": "Region", "to": {"North": ["ann@example.com", "zoe@example.com"], "South": ["zoe@example.com"]},
    })
    run = carried_out(runner, asked(subscription, NOW))
    assert (run.state, run.queued) == (STATE.SUCCESS, 3)
    to_zoe = Message.objects.filter(deliveries__recipient="zoe@example.com")
    assert {a["filename"] for m in to_zoe for a in m.attachments} == {"sales North.csv", "sales South.csv"}


def test_whoever_has_no_file_gets_none_by_another_try(runner: Runner, source: ReportSource) -> None:
    pushed(source, NOW)
    run = carried_out(runner, asked(subscribed(source, iteration={"column": "region", "value": "region"}), NOW))
    with pytest.raises(NotPossible):
        retry_missing(run.pk, "ann", NOW)
