"""Messages, activity log, sandbox mailbox and tokens."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from postroom.flow.acceptance.catch import caught
from postroom.store.activity_log import ActivityLog
from postroom.store.models import ApiToken, Delivery, Message, SandboxMessage, SmtpServer, User

HTML = "<h1>Week 10</h1><script>parent.alert(1)</script><img src='http://192.0.2.1/pixel'>"
RAW = (
    "From: Norrvik <reports@norrvik.example>\r\nSubject: =?utf-8?q?Wochen=C3=BCbersicht?=\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nOn time: 96.4 %\r\n"
    f"--b\r\nContent-Type: text/html\r\n\r\n{HTML}\r\n"
    '--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename="../../etc/<b>x.html"\r\n\r\n'
    "<script>1</script>\r\n--b--\r\n"
).encode()


def delivery(server: SmtpServer, subject: str, state: str, **values: Any) -> Delivery:
    now = timezone.now()
    message = Message.objects.create(
        message_id="<1@x.example>", from_header="reports@norrvik.example", subject=subject, content_digest="0" * 64,
        content_size=10, created_at=now, expires_at=now + timedelta(days=1), client_name="Report server",
    )
    return Delivery.objects.create(
        message=message, recipient=f"{state}@norrvik.example", state=state, due_at=now + timedelta(minutes=6),
        updated_at=now, server=server, **values,
    )


@pytest.fixture
def message() -> SandboxMessage:
    return caught("reports@norrvik.example", ["marta@norrvik.example"], RAW)


def test_tabs_count_each_state_and_filter(page: Client, relay: SmtpServer) -> None:
    delivery(relay, "Customs holds", "queued")
    delivery(relay, "Driver hours", "failed")
    text = page.get("/messages?state=failed").content.decode()
    assert "Driver hours" in text
    assert "Customs holds" not in text
    assert "1 message" in text


def test_the_search_finds_recipients_and_subjects(page: Client, relay: SmtpServer) -> None:
    delivery(relay, "Customs holds", "queued")
    delivery(relay, "Driver hours", "failed")
    assert "Driver hours" in page.get("/messages?q=failed@").content.decode()
    assert "Nothing fits these filters" in page.get("/messages?q=zebra").content.decode()


def test_a_deferred_message_says_when_it_is_tried_next_and_can_be_retried(page: Client, relay: SmtpServer) -> None:
    row = delivery(relay, "Delivery performance", "deferred")
    text = page.get(f"/messages/{row.message_id}").content.decode()
    assert "Next try in 5 minutes" in text
    page.post(f"/messages/{row.message_id}/retry")
    row.refresh_from_db()
    assert row.state == "queued"


def test_a_waiting_message_can_be_cancelled_and_a_sent_one_offers_neither(page: Client, relay: SmtpServer) -> None:
    row = delivery(relay, "Vendor scorecard", "queued")
    page.post(f"/messages/{row.message_id}/cancel")
    row.refresh_from_db()
    assert row.state == "cancelled"
    sent = page.get(f"/messages/{delivery(relay, 'Claims', 'sent').message_id}").content.decode()
    assert "Cancel message" not in sent
    assert "Retry now" not in sent


def test_the_activity_log_filters_by_outcome_and_cause_and_downloads_the_day(page: Client, data_dir: Path) -> None:
    log = ActivityLog(data_dir / "logs")
    at = datetime(2026, 3, 12, 14, 32, 36, tzinfo=UTC)
    log.append({"at": at, "kind": "delivery", "outcome": "sent", "subject": "Stock ageing", "recipient": "a@x.example",
                "server": "Amazon SES Ireland", "severity": "information"})
    log.append({"at": at, "kind": "delivery", "outcome": "failed", "subject": "Gate 3", "recipient": "b@x.example",
                "server": "Microsoft 365", "severity": "error", "cause": "auth.disabled", "title": "SMTP AUTH is off.",
                "reply": "535 5.7.139 <b>no</b>"})
    log.close()
    text = page.get("/activity?day=2026-03-12").content.decode()
    assert "Thursday, 12 March 2026" in text
    assert "2 entries" in text
    assert "535 5.7.139 &lt;b&gt;no&lt;/b&gt;" in text
    only = page.get("/activity?day=2026-03-12&cause=auth.disabled").content.decode()
    assert "Gate 3" in only
    assert "Stock ageing" not in only
    answer = page.get("/activity/2026-03-12/download")
    assert b"".join(answer).count(b"\n") == 2  # type: ignore[arg-type]
    assert page.get("/activity/2026-03-11/download").status_code == 404
    assert page.get("/activity/..%2f..%2fkeys/download").status_code == 404


def test_a_caught_message_shows_headers_text_and_attachments_by_label(page: Client, message: SandboxMessage) -> None:
    text = page.get(f"/sandbox/{message.pk}").content.decode()
    assert "Wochenübersicht" in text
    assert "On time: 96.4 %" in text
    assert "&lt;b&gt;x.html" in text
    assert "../" not in text
    assert "<h1>Week 10" not in text


def test_the_frame_has_its_own_policy_and_needs_no_cookie(
    page: Client, client: Client, message: SandboxMessage
) -> None:
    text = page.get(f"/sandbox/{message.pk}").content.decode()
    url = text.split('class="pr-frame" src="')[1].split('"')[0]
    assert 'sandbox=""' in text
    answer = client.get(url)
    assert answer.status_code == 200
    assert HTML in answer.content.decode()
    assert not answer.cookies
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "script-src" not in policy
    assert "Cookie" not in answer.get("Vary", "")


def test_the_frame_of_a_message_does_not_open_with_another_ones_key(
    page: Client, client: Client, message: SandboxMessage
) -> None:
    other = caught("", ["x@norrvik.example"], RAW + b"\r\n")
    key = page.get(f"/sandbox/{message.pk}").content.decode().split("?key=")[1].split('"')[0]
    assert client.get(f"/sandbox/{other.pk}/frame?key={key}").status_code == 403
    assert client.get(f"/sandbox/{message.pk}/frame").status_code == 403


def test_an_attachment_is_only_ever_downloaded(page: Client, message: SandboxMessage) -> None:
    answer = page.get(f"/sandbox/{message.pk}/attachments/2")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="<b>x.html"'
    assert answer.content.rstrip() == b"<script>1</script>"
    assert page.get(f"/sandbox/{message.pk}/attachments/9").status_code == 404


def test_a_damaged_message_says_so(page: Client, message: SandboxMessage) -> None:
    SandboxMessage.objects.update(content_digest="f" * 64)
    answer = page.get(f"/sandbox/{message.pk}")
    assert answer.status_code == 500
    assert "damaged" in answer.content.decode()


def test_a_token_is_shown_once_and_stored_only_as_a_digest(page: Client) -> None:
    answer = page.post("/tokens", {"name": "Report server", "scope": "send"})
    text = page.get(answer["Location"]).content.decode()
    plain = text.split('id="token">')[1].split("<")[0]
    assert plain.startswith("pr_")
    assert f'"Authorization: Bearer {plain}"' in text.replace("&quot;", '"')
    again = page.get(answer["Location"])
    assert plain not in again.content.decode()
    assert plain not in str(ApiToken.objects.values().get())


def test_a_new_token_is_shown_to_nobody_but_its_maker(page: Client) -> None:
    answer = page.post("/tokens", {"name": "Report server", "scope": "send"})
    other = Client()
    other.force_login(User.objects.create_user(
        "jonas@norrvik.example", "correct horse battery staple", name="Jonas", role=User.Role.ADMINISTRATOR
    ))
    assert b'id="token"' not in other.get(answer["Location"]).content
    assert b'id="token"' in page.get(answer["Location"]).content


def test_a_token_needs_a_name(page: Client) -> None:
    answer = page.post("/tokens", {"name": " ", "scope": "send"})
    assert answer.status_code == 422
    assert not ApiToken.objects.exists()


def test_a_revoked_token_leaves_the_list(page: Client) -> None:
    page.post("/tokens", {"name": "Report server", "scope": "send"})
    page.post(f"/tokens/{ApiToken.objects.get().pk}/revoke")
    assert ApiToken.objects.get().revoked_at is not None
    assert "No token yet" in page.get("/tokens").content.decode()


def test_the_checklist_leads_to_the_first_open_step_and_can_be_hidden(page: Client) -> None:
    text = page.get("/").content.decode()
    assert "1 of 5 done" in text
    assert "Four steps are left" in text
    page.post("/overview/hide-checklist")
    assert "Set-up" not in page.get("/").content.decode()
