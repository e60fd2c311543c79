"""W3: what people, data sources and receivers named is text on the pages of reports, people, templates, webhooks,
alerts and the queue, in both languages."""

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from postroom.flow.runs.run_log import problem_of, with_line
from postroom.store import models
from postroom.store.models import SmtpServer, User
from postroom.terms.wording import worded

from .test_hostile_text import MARKUP, foreign

NAME = MARKUP[:64]
LOOKS = worded("{what} is wrong", what=MARKUP)
PAGES = (
    "/recipients", "/recipients?q={markup}", "/recipients/{recipient}", "/recipients/import", "/groups",
    "/groups/{group}", "/suppressions", "/suppressions/{suppression}/remove",
    "/report-sources", "/report-sources/{source}", "/report-sources/{source}/state", "/sql-connections/{connection}",
    "/sql-connections/{connection}/state", "/sql-connections/choices",
    "/subscriptions", "/subscriptions?q={markup}", "/subscriptions/new", "/subscriptions/{subscription}",
    "/subscriptions/{subscription}/edit", "/subscriptions/{subscription}/remove",
    "/subscriptions/{subscription}/runs/{run}", "/holiday-calendars", "/holiday-calendars/{calendar}",
    "/templates", "/templates/{template}", "/templates/{template}/remove",
    "/webhooks", "/webhooks/{webhook}", "/webhooks/{webhook}/edit", "/webhooks/{webhook}/deliveries/{told}",
    "/alerts", "/alerts/{alert}", "/alert-rules", "/alert-rules/{rule}",
    "/announcements", "/announcements/new", "/announcements/{announcement}",
    "/queue", "/delivery-rules", "/delivery-rules/{delivery_rule}", "/sandbox", "/bounce-mailbox",
    "/dkim-keys", "/smtp-servers/{server}", "/smtp-servers",
)


@pytest.fixture(params=["en", "fr"])
def _language(request: pytest.FixtureRequest, administrator: User) -> None:
    User.objects.filter(pk=administrator.pk).update(language=request.param)


@pytest.fixture
def ids(relay: SmtpServer) -> dict[str, str]:
    """One row of each kind, named with markup wherever somebody names anything."""
    made: dict[str, str] = {"markup": "%22'><script>", "server": relay.pk}
    for part in (_people, _reports, _subscriptions, _texts, _listeners, _ways):
        part(made)
    return made


def _people(made: dict[str, str]) -> None:
    recipient = models.Recipient.objects.create(
        name=MARKUP, address=MARKUP, address_key="x", time_zone=NAME, values={MARKUP: MARKUP}
    )
    group = models.RecipientGroup.objects.create(name=MARKUP, description=MARKUP)
    models.GroupMember.objects.create(group=group, recipient=recipient)
    models.RecipientImport.objects.create(at=timezone.now(), by=MARKUP, file_name=MARKUP, undo={"added": []})
    suppression = models.Suppression.objects.create(
        address=MARKUP, list_name=MARKUP, reason="unsubscribe", since=timezone.now(), evidence=MARKUP, created_by=MARKUP
    )
    made |= {"recipient": recipient.pk, "group": group.pk, "suppression": suppression.pk}


def _reports(made: dict[str, str]) -> None:
    now = timezone.now()
    connection = models.SqlConnection.objects.create(
        name=MARKUP, kind="postgresql",
        settings={"host": MARKUP, "port": 5432, "database": MARKUP, "user": MARKUP, "security": "require"},
    )
    source = models.ReportSource.objects.create(
        name=MARKUP, description=MARKUP, kind="file", settings={"root": MARKUP, "pattern": MARKUP}
    )
    report = models.StoredReport.objects.create(
        source=source, digest="0" * 64, size_bytes=9, file_name=MARKUP, media_type=MARKUP, origin=MARKUP, row_count=1,
        sample={"columns": [MARKUP], "rows": [[MARKUP]]}, made_at=now,
    )
    refused = problem_of("source-query", LOOKS, MARKUP)
    for of, fault in ({"source": source}, None), ({"connection": connection}, refused):
        models.SourceTry.objects.create(
            **of, asked_by=MARKUP, created_at=now, finished_at=now, report=None if fault else report, fault=fault
        )
    made |= {"source": source.pk, "connection": connection.pk, "report": report.pk}


def _subscriptions(made: dict[str, str]) -> None:
    now = timezone.now()
    calendar = models.HolidayCalendar.objects.create(name=MARKUP, days=["2027-01-01"])
    subscription = models.Subscription.objects.create(
        name=MARKUP, description=MARKUP, source_id=made["source"], calendar=calendar, subject=MARKUP, text=MARKUP,
        list_name=MARKUP, parameters={MARKUP: MARKUP}, schedule={"words": "every day at 08:00", "time_zone": "UTC"},
        iteration={"column": MARKUP, "to": {MARKUP: [MARKUP]}}, paused_at=now, paused_by=MARKUP,
    )
    models.Subscriber.objects.create(subscription=subscription, group_id=made["group"])
    models.Subscriber.objects.create(subscription=subscription, address=MARKUP)
    models.OutcomeNotice.objects.create(subscription=subscription, outcome="error", addresses=[MARKUP])
    run = models.Run.objects.create(
        subscription=subscription, cause="manual", asked_by=MARKUP, only_to=MARKUP, due_at=now, state="error",
        report_id=made["report"], problem=problem_of("source-timeout", LOOKS, MARKUP), log=with_line([], now, LOOKS),
        finished_at=now, planned=1,
    )
    models.RunRecipient.objects.create(
        run=run, position=0, address=MARKUP, address_key="x", name=MARKUP, left_out=NAME, values={MARKUP: MARKUP}
    )
    made |= {"calendar": calendar.pk, "subscription": subscription.pk, "run": run.pk}


def _texts(made: dict[str, str]) -> None:
    now = timezone.now()
    template = models.Template.objects.create(
        name=NAME, title=MARKUP, description=MARKUP, version=1, sample={"value": MARKUP}
    )
    models.TemplateText.objects.create(
        template=template, version=1, language="en", subject=MARKUP, html=MARKUP, text=MARKUP, created_by=MARKUP
    )
    announcement = models.Announcement.objects.create(
        texts={"en": {"subject": MARKUP, "text": MARKUP}}, audience={"groups": [MARKUP], "addresses": [MARKUP]},
        created_by=MARKUP, sender_name=MARKUP, created_at=now, problem={"detail": MARKUP}, state="sending", planned=1,
    )
    announcement.recipients.create(position=0, address=MARKUP, name=MARKUP, left_out="failed", failure=LOOKS.as_json())
    made |= {"template": template.pk, "announcement": announcement.pk}


def _listeners(made: dict[str, str]) -> None:
    now = timezone.now()
    webhook = models.Webhook.objects.create(
        name=MARKUP, url=f"https://receiver.example/{MARKUP}", tags=[MARKUP], sealed_secret="x", failures=3,
        failing_since=now, last_problem=MARKUP, paused_at=now, paused_by=MARKUP, paused_for="manual",
    )
    told = models.WebhookDelivery.objects.create(
        webhook=webhook, kinds=["message.failed"], event_count=1, body=json.dumps({MARKUP: MARKUP}), state="failed",
        due_at=now, created_at=now, give_up_at=now, attempt_count=1, replayed_by=MARKUP,
        attempts=[{"at": now.isoformat(), "seconds": 0.3, "status": 500, "problem": LOOKS.as_json(), "answer": MARKUP}],
    )
    rule = models.AlertRule.objects.create(
        kind="queue-old", name=MARKUP, severity="critical", settings={"minutes": 30}, addresses=[MARKUP]
    )
    alert = models.Alert.objects.create(
        rule=rule, kind="queue-old", key=MARKUP, subject=MARKUP, severity="critical", title=LOOKS.as_json(),
        text=LOOKS.as_json(), fix=[LOOKS.as_json()], evidence=MARKUP, link="/queue", opened_at=now, seen_at=now,
        acknowledged_at=now, acknowledged_by=MARKUP, note=MARKUP,
    )
    made |= {"webhook": webhook.pk, "told": told.pk, "rule": rule.pk, "alert": alert.pk}


def _ways(made: dict[str, str]) -> None:
    now = timezone.now()
    SmtpServer.objects.filter(pk=made["server"]).update(name=MARKUP)
    models.LaneState.objects.create(
        server_id=made["server"], engine=NAME, at=now, slowed_at=now, slowed_reply=MARKUP, rate=1.0
    )
    rule = models.DeliveryRule.objects.create(
        name=MARKUP, senders=[MARKUP], recipient_domains=[MARKUP], tags=[MARKUP], server_id=made["server"]
    )
    models.BounceMailbox.objects.create(
        host=MARKUP, username=MARKUP, folder=MARKUP, done_folder=MARKUP, fault=MARKUP, fault_since=now
    )
    models.SandboxMessage.objects.create(
        received_at=now, reverse_path=MARKUP, forward_paths=[MARKUP], subject=MARKUP, from_header=MARKUP,
        content_digest="0" * 64, content_size=9,
    )
    models.DkimKey.objects.create(
        domain=MARKUP, selector=NAME[:63], algorithm="rsa", public_key="x", sealed_key="x", created_by=MARKUP,
        state_since=now,
    )
    made["delivery_rule"] = rule.pk


@pytest.mark.usefixtures("_language")
def test_w3_whatever_others_named_is_text_where_reports_people_and_listeners_are_kept(
    page: Client, ids: dict[str, str]
) -> None:
    page.raise_request_exception = False
    found: dict[str, Any] = {}
    silent = []
    for path in PAGES:
        answer = page.get(path.format(**ids))
        text = answer.content.decode()
        found[path] = (answer.status_code, foreign(text))
        if "alert(1)" not in text:
            silent.append(path)
    assert {path: said for path, said in found.items() if said != (200, [])} == {}
    assert silent == []
