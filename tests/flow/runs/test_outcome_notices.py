"""Who is told when a run ends, and how a notification of any job looks."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from tests.outbox import octets_of

from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.notices.notification import Notification, notification_bodies, recipients_of
from postroom.flow.runs.outcome_notices import tell
from postroom.flow.runs.run_log import Level, problem_of, with_line
from postroom.flow.servers.configure import save_untested
from postroom.store.blobs import Blobs
from postroom.store.models import (
    GroupMember,
    Message,
    OutcomeNotice,
    Recipient,
    RecipientGroup,
    ReportSource,
    Run,
    Subscription,
)
from postroom.store.outbox import open_outbox
from postroom.terms.problem import Problem
from postroom.terms.server import Security, ServerSettings
from postroom.terms.wording import worded

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def acceptor(blobs: Path) -> Iterator[Acceptor]:
    settings = ServerSettings(
        name="Relay", from_address="reports@company.example", host="smtp.company.example", port=25,
        security=Security.NONE,
    )
    save_untested(
        settings, password=None, based_on=None, server=None, reason="test", use_unverified=True, actor="test"
    )
    outbox = open_outbox()
    yield Acceptor(outbox.queue, Blobs(blobs))
    outbox.close()


@pytest.fixture
def run() -> Run:
    source = ReportSource.objects.create(name="Sales", kind="pushed")
    subscription = Subscription.objects.create(
        name="Weekly sales", source=source, list_name="weekly-sales", schedule={"time_zone": "Europe/Berlin"}
    )
    log = with_line([], NOW, worded("Asked {name} for the report.", name="Sales"))
    log = with_line(log, NOW, worded("It answered with password=canary-secret."), Level.ERROR)
    return Run.objects.create(
        subscription=subscription, cause="schedule", nominal_at=NOW, due_at=NOW, state=Run.State.ERROR, log=log,
        problem=problem_of("source-failed", worded("The source {name} failed.", name="Sales"), "no such table: sales"),
    )


def told(run: Run, acceptor: Acceptor) -> list[Message]:
    async_to_sync(tell)(run, acceptor, NOW)
    return list(Message.objects.order_by("pk"))


def read(message: Message, blobs: Path) -> EmailMessage:
    found = message_from_bytes(octets_of(message, blobs), policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_a_failed_run_is_told_to_those_named_for_errors_with_its_log_and_without_secrets(
    run: Run, acceptor: Acceptor, blobs: Path
) -> None:
    OutcomeNotice.objects.create(subscription=run.subscription, outcome="error", addresses=["ann@example.org"])
    OutcomeNotice.objects.create(subscription=run.subscription, outcome="success", addresses=["bob@example.org"])
    (message,) = told(run, acceptor)
    mail = read(message, blobs)
    assert (mail["To"], mail["Subject"]) == ("ann@example.org", "Weekly sales failed")
    body = mail.get_body(("plain",))
    assert body is not None
    for part in ("The source Sales failed.", "no such table: sales", "2026-11-22 09:00 CET", f"/runs/{run.pk}"):
        assert part in body.get_content()
    (log,) = mail.iter_attachments()
    assert log.get_filename() == "Weekly sales.log"
    assert "Asked Sales for the report." in log.get_content()
    assert "canary-secret" not in log.get_content()


def test_a_run_that_is_told_twice_queues_its_notice_once(run: Run, acceptor: Acceptor) -> None:
    OutcomeNotice.objects.create(subscription=run.subscription, outcome="error", addresses=["ann@example.org"])
    assert len(told(run, acceptor)) == 1
    run.log = with_line(run.log, NOW, worded("It was stored again after a crash."))
    assert len(told(run, acceptor)) == 1


@pytest.mark.parametrize("state", ["skipped", "cancelled", "success"])
def test_outcomes_that_nobody_asked_for_tell_nobody(run: Run, acceptor: Acceptor, state: str) -> None:
    OutcomeNotice.objects.create(subscription=run.subscription, outcome="error", addresses=["ann@example.org"])
    run.state = state
    assert told(run, acceptor) == []


def test_a_notice_without_the_log_has_no_attachment(run: Run, acceptor: Acceptor, blobs: Path) -> None:
    OutcomeNotice.objects.create(
        subscription=run.subscription, outcome="error", addresses=["ann@example.org"], with_log=False
    )
    (message,) = told(run, acceptor)
    assert list(read(message, blobs).iter_attachments()) == []


def test_each_recipient_reads_the_notification_in_their_language() -> None:
    group = RecipientGroup.objects.create(name="Operations")
    for name, language in (("ann", "en"), ("zoe", "fr")):
        member = Recipient.objects.create(
            address=f"{name}@example.org", address_key=f"{name}@example.org", language=language
        )
        GroupMember.objects.create(group=group, recipient=member)
    notification = Notification("Nightly import", "error", text="Row 7 is no number.")
    bodies = notification_bodies(notification, recipients_of(["bob@example.org", "ann@example.org"], "Operations"))
    subjects: dict[str, Any] = {body["to"][0]: body["subject"] for body in bodies}
    assert subjects == {
        "ann@example.org": "Nightly import failed", "bob@example.org": "Nightly import failed",
        "zoe@example.org": "Nightly import : échec",
    }
    assert all("Row 7 is no number." in body["text"] for body in bodies)


def test_the_log_of_a_job_is_redacted_and_named_after_it() -> None:
    notification = Notification("a/b\r\nimport", "warning", log="token=canary-secret\nfine\n")
    (body,) = notification_bodies(notification, recipients_of(["ann@example.org"]))
    (attachment,) = body["attachments"]
    assert base64.b64decode(attachment["content_base64"]) == b"token=[removed]\nfine\n"
    assert not set(attachment["filename"]) & set("/\r\n")


@pytest.mark.parametrize(
    ("addresses", "group", "field"),
    [([], "", "recipients"), (["nobody"], "", "recipients.0"), ([], "Nobody", "group"), ([], "Empty", "group")],
)
def test_recipients_that_are_nobody_are_named(addresses: list[str], group: str, field: str) -> None:
    RecipientGroup.objects.create(name="Empty")
    with pytest.raises(Problem) as refused:
        recipients_of(addresses, group)
    assert [error.field for error in refused.value.errors] == [field]
