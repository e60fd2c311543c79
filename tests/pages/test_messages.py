"""The list of messages, the panel, what is done to several, and the export."""

import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from postroom.flow.acceptance.queue_room import QueueLimits, QueueRoom
from postroom.store.blobs import Blobs
from postroom.store.ids import id_at
from postroom.store.models import ApiToken, Attempt, AuditEntry, Delivery, Message, SmtpServer, User
from postroom.terms.spreadsheet import neutral

HTML = b"<h1>Claims</h1><script>parent.alert(1)</script>"
CONTENT = b"Subject: Claims\r\nFrom: r@norrvik.example\r\nContent-Type: text/html\r\n\r\n" + HTML
# Django's client reads an asynchronous answer whole.
pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous")


def message(server: SmtpServer | None, *states: str, days_ago: float = 0, **values: Any) -> Message:
    at = timezone.now() - timedelta(days=days_ago)
    blob = Blobs(Path(settings.DATA_DIR) / "blobs").put([CONTENT])
    made = Message.objects.create(**{
        "id": id_at(at, Message.objects.count()), "message_id": "<1@norrvik.example>", "server": server,
        "from_header": "r@norrvik.example", "subject": "Claims summary", "content_digest": blob.digest,
        "content_size": blob.size_bytes, "created_at": at, "expires_at": at + timedelta(days=2),
        "client_name": "Report server", **values,
    })
    for number, state in enumerate(states):
        Delivery.objects.create(
            id=id_at(at, Delivery.objects.count()), message=made, recipient=f"{state}{number}@norrvik.example",
            state=state, server=server, due_at=timezone.now() + timedelta(minutes=6), updated_at=at, attempt_count=1,
            cause="recipient-unknown" if state == "failed" else "",
        )
    return made


def subjects(text: str) -> list[str]:
    return re.findall(r'data-pr-query="[^"]*">([^<]+)</a>', text)


def test_today_is_shown_and_what_still_waits_from_before_is_told(page: Client, relay: SmtpServer) -> None:
    message(relay, "sent", subject="New")
    message(relay, "deferred", subject="Old", days_ago=1.5)
    message(relay, "failed", subject="Failed long ago", days_ago=5)
    text = page.get("/messages").content.decode()
    assert subjects(text) == ["New"]
    assert "1 message from before this period still waits" in text
    assert subjects(page.get("/messages?period=all").content.decode()) == ["Failed long ago", "Old", "New"]
    assert subjects(page.get("/messages?period=all&sort=newest").content.decode()) == ["New", "Old", "Failed long ago"]


def test_a_period_is_chosen_by_days_of_the_reader(page: Client, relay: SmtpServer) -> None:
    message(relay, "sent", subject="Three days old", days_ago=3)
    message(relay, "sent", subject="Ten days old", days_ago=10)
    day = (timezone.localtime() - timedelta(days=3)).date()
    for query, expected in {
        "period=yesterday": [], "period=week": ["Three days old"], "period=month": ["Three days old", "Ten days old"],
        f"period=days&from={day - timedelta(days=1)}&to={day + timedelta(days=1)}": ["Three days old"],
        f"period=days&to={day - timedelta(days=2)}": ["Ten days old"], "period=days&from=x&to=y": [],
    }.items():
        assert subjects(page.get(f"/messages?{query}").content.decode()) == expected, query


def test_a_search_looks_at_any_time_with_the_failed_first(page: Client, relay: SmtpServer) -> None:
    message(relay, "sent", subject="To somebody else")
    message(relay, "sent", "failed", subject="Yesterday's", days_ago=1)
    text = page.get("/messages?q=failed1@NORRVIK.example").content.decode()
    assert subjects(text) == ["Yesterday&#x27;s"]
    assert "failed1@norrvik.example" in text
    assert "Any time" in text


def test_a_message_to_a_thousand_is_one_row_that_says_for_how_many_the_worst_holds(
    page: Client, relay: SmtpServer
) -> None:
    message(relay, *["sent"] * 997, *["failed"] * 3)
    text = page.get("/messages").content.decode()
    assert len(subjects(text)) == 1
    assert "failed997@norrvik.example\n      and 999 more" in text
    assert "3 of 1,000 recipients" in text
    own = page.get(f"/messages/{Message.objects.get().pk}?of=failed").content.decode()
    assert own.count("@norrvik.example</a>") == 3
    assert "997 Sent" in own
    second = page.get(f"/messages/{Message.objects.get().pk}?p=1").content.decode()
    assert second.count("@norrvik.example</a>") == 25


def test_each_filter_becomes_a_chip_that_takes_it_away(page: Client, relay: SmtpServer) -> None:
    message(relay, "failed", subject="Alarm", purpose="alert")
    message(None, "sent", subject="Report", purpose="report", client_name="Payroll")
    ApiToken.objects.create(name="Payroll", scope="send", digest="x")
    for query, expected, chip in (
        (f"server={relay.pk}", ["Alarm"], "Server: <b>Internal relay</b>"),
        ("purpose=report", ["Report"], "Purpose: <b>report delivery</b>"),
        ("cause=recipient-unknown", ["Alarm"], "Cause: <b>"), ("client=Payroll", ["Report"], "Client: <b>Payroll</b>"),
        ("purpose=report&state=failed", [], "Purpose: <b>report delivery</b>"),
    ):
        text = page.get(f"/messages?{query}").content.decode()
        assert subjects(text) == expected, query
        assert chip in text, query
        assert "Clear filters" in text
    without = re.search(r'class="pr-filter-chip" href="\?([^"]*)"', text)
    assert without
    assert without.group(1) == "state=failed&amp;period=all"


def test_pages_follow_one_another_without_gap_or_repetition(page: Client, relay: SmtpServer) -> None:
    for number in range(60):
        message(relay, "failed" if number % 2 else "sent", subject=f"Number {number}")
    first = page.get("/messages").content.decode()
    following = re.search(r'href="\?([^"]*after=[^"]*)" rel="next"', first)
    assert following
    second = page.get("/messages?" + following.group(1).replace("&amp;", "&")).content.decode()
    assert len(subjects(first)) == 50
    assert sorted(subjects(first) + subjects(second)) == sorted(f"Number {n}" for n in range(60))
    assert "First page" in second


@pytest.mark.parametrize(
    "query", ["state=lost&period=x&sort=y&after=z&open=q&server=%00", "from=0001-01-01&period=days"]
)
def test_an_address_that_can_t_be_understood_asks_nothing(page: Client, query: str) -> None:
    assert page.get(f"/messages?{query}").status_code == 200


def test_the_panel_of_a_shared_address_shows_tries_folded_and_where_each_moved(
    page: Client, relay: SmtpServer
) -> None:
    row = message(relay, "deferred")
    start = timezone.now() - timedelta(hours=2)
    finding = {"title": "The server asks to slow down", "explanation": "Too fast.", "fix": ["Wait."]}
    for number in range(1, 5):
        first = number == 1
        Attempt.objects.create(
            delivery=row.deliveries.get(), number=number, server=relay, server_name="Microsoft" if first else "Amazon",
            started_at=start + timedelta(minutes=10 * number), outcome="deferred",
            ended_at=start + timedelta(minutes=10 * number, seconds=5),
            reply="535 5.7.139 no" if first else "454 Throttling", finding=finding,
            moved_to="Amazon" if first else "",
        )
    text = page.get(f"/messages?open={row.pk}").content.decode()
    assert "Try 4: the server asks to slow down" in text
    assert "Tries 2 and 3: the server asks to slow down" in text
    assert "Moved to Amazon at once." in text
    assert "Next: try 2" in text
    assert text.index("Try 4:") < text.index("Tries 2 and 3") < text.index("Try 1:") < text.index("Accepted into the")
    assert "Resend is for messages that were sent or have failed." in text
    assert 'aria-current="true"' in text.split(f'id="row-{row.pk}"')[1][:30]
    part = page.get(f"/messages/{row.pk}/panel").content.decode()
    assert "Try 4:" in part
    assert "<html" not in part


def test_cancelling_offers_undo_and_undo_brings_it_back(page: Client, relay: SmtpServer) -> None:
    row = message(relay, "deferred")
    text = page.post(f"/messages/{row.pk}/cancel", {"back": f"/messages?open={row.pk}"}, follow=True).content.decode()
    assert "1 message was cancelled a moment ago." in text
    assert "by Marta Keller" in text
    page.post("/messages/undo")
    assert row.deliveries.get().state == "deferred"
    assert "a moment ago" not in page.get("/messages").content.decode()
    assert "nothing to undo" in page.post("/messages/undo", follow=True).content.decode()


def test_one_recipient_of_several_is_tried_again_alone(page: Client, relay: SmtpServer) -> None:
    row = message(relay, "failed", "failed")
    chosen = row.deliveries.get(recipient="failed1@norrvik.example")
    text = page.get(f"/messages/{row.pk}?delivery={chosen.pk}").content.decode()
    assert f'name="delivery" value="{chosen.pk}"' in text
    page.post(f"/messages/{row.pk}/retry", {"delivery": chosen.pk})
    assert dict(row.deliveries.values_list("recipient", "state")) == {
        "failed0@norrvik.example": "failed", "failed1@norrvik.example": "queued",
    }


@pytest.mark.parametrize(
    "back", ["https://elsewhere.example/", "//elsewhere.example/messages", "/tokens", "javascript:1"]
)
def test_an_action_returns_to_the_messages_and_nowhere_else(page: Client, relay: SmtpServer, back: str) -> None:
    row = message(relay, "deferred")
    assert page.post(f"/messages/{row.pk}/retry", {"back": back})["Location"] == "/messages"


def test_chosen_messages_are_retried_or_cancelled_together_and_the_others_are_told(
    page: Client, relay: SmtpServer
) -> None:
    failed, sent = message(relay, "failed"), message(relay, "sent")
    text = page.post("/messages/bulk", {"do": "retry", "m": [failed.pk, sent.pk]}, follow=True).content.decode()
    assert "1 message is tried again now." in text
    assert "1 message stays as it is" in text
    assert failed.deliveries.get().state == "queued"
    page.post("/messages/bulk", {"do": "cancel", "m": [failed.pk, sent.pk]})
    assert (failed.deliveries.get().state, sent.deliveries.get().state) == ("cancelled", "sent")
    assert "No message is chosen" in page.post("/messages/bulk", {"do": "cancel"}, follow=True).content.decode()


def test_all_that_fits_the_filters_can_be_chosen(page: Client, relay: SmtpServer) -> None:
    wanted = [message(relay, "deferred", purpose="report") for _ in range(3)]
    other = message(relay, "deferred", purpose="alert")
    page.post("/messages/bulk", {"do": "cancel", "all": "1", "asked": "purpose=report&period=today"})
    assert {row.deliveries.get().state for row in wanted} == {"cancelled"}
    assert other.deliveries.get().state == "deferred"


def test_a_search_of_any_length_does_not_lose_the_filters_behind_it(page: Client, relay: SmtpServer) -> None:
    subject = "\N{OPEN MAILBOX WITH RAISED FLAG}" * 200
    wanted = message(relay, "deferred", purpose="report", subject=subject)
    other = message(relay, "deferred", purpose="alert", subject=subject)
    asked = urlencode({"q": subject, "purpose": "report", "period": "today"})
    page.post("/messages/bulk", {"do": "cancel", "all": "1", "asked": asked})
    assert [row.deliveries.get().state for row in (wanted, other)] == ["cancelled", "deferred"]


def test_resending_several_asks_first_and_says_which(page: Client, relay: SmtpServer) -> None:
    sent, waiting = message(relay, "sent", subject="Sent one"), message(relay, "deferred", subject="Waiting one")
    form = {"do": "resend", "m": [sent.pk, waiting.pk]}
    text = page.post("/messages/bulk", form).content.decode()
    assert "Send 1 message again?" in text
    assert "Sent one" in text
    assert "Waiting one" not in text
    assert Message.objects.count() == 2
    page.post("/messages/bulk", {**form, "confirmed": "1"})
    assert Message.objects.get(resend_of=sent).client_name == "Marta Keller"
    assert Message.objects.count() == 3


def test_b8_who_resends_into_a_full_queue_hears_why_and_what_was_sent(
    page: Client, relay: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = QueueRoom(QueueLimits(1, 1))
    monkeypatch.setattr("postroom.flow.acceptance.resend.queue_room", lambda: room)
    rows = [message(relay, "sent") for _ in range(2)]
    form = {"do": "resend", "m": [row.pk for row in rows], "confirmed": "1"}
    text = page.post("/messages/bulk", form, follow=True).content.decode()
    assert "1 message is sent again." in text
    assert "Send it again when some have left." in text
    assert "its state allows" not in text
    text = page.post(f"/messages/{rows[0].pk}/resend", {"to": "all"}, follow=True).content.decode()
    assert "Send it again when some have left." in text
    assert Message.objects.count() == 3


def test_a_resent_message_leads_to_the_new_one_and_each_names_the_other(page: Client, relay: SmtpServer) -> None:
    row = message(relay, "sent", "failed")
    answer = page.post(f"/messages/{row.pk}/resend", {"to": "failed"})
    again = Message.objects.get(resend_of=row)
    assert answer["Location"] == f"/messages/{again.pk}"
    assert again.deliveries.get().recipient == "failed1@norrvik.example"
    assert f"/messages/{row.pk}" in page.get(f"/messages/{again.pk}").content.decode()
    assert f"/messages/{again.pk}" in page.get(f"/messages/{row.pk}").content.decode()


def test_the_content_is_shown_in_a_sealed_frame_and_who_looked_is_noted(
    page: Client, client: Client, relay: SmtpServer
) -> None:
    row = message(relay, "sent")
    text = page.get(f"/messages/{row.pk}/content").content.decode()
    assert HTML.decode() not in text
    url = text.split('class="pr-frame" src="')[1].split('"')[0]
    answer = client.get(url)
    assert HTML.decode() in answer.content.decode()
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "allow-scripts" not in answer["Content-Security-Policy"]
    assert not answer.cookies
    other = message(relay, "sent")
    assert client.get(url.replace(row.pk, other.pk)).status_code == 403
    source = page.get(f"/messages/{row.pk}/source")
    assert source.content == CONTENT
    assert source["Content-Type"] == "application/octet-stream"
    assert set(AuditEntry.objects.filter(subject=row.pk).values_list("action", flat=True)) == {
        "message.read", "message.download",
    }


def test_a_viewer_sees_the_list_but_neither_content_nor_export_nor_actions(viewer: User, relay: SmtpServer) -> None:
    row = message(relay, "failed")
    client = Client()
    client.force_login(viewer)
    text = client.get(f"/messages?open={row.pk}").content.decode()
    assert "Claims summary" in text
    for word in ("Retry now", "Resend", "Export", "View content", "Write a message", 'name="m"'):
        assert word not in text, word
    for path in ("export", f"{row.pk}/content", f"{row.pk}/source", f"{row.pk}/attachments/0", "new"):
        assert client.get(f"/messages/{path}").status_code == 403, path


def exported(page: Client, query: str) -> str:
    return b"".join(page.get(f"/messages/export?{query}")).decode()  # type: ignore[arg-type]


def test_the_export_has_a_line_for_each_recipient_that_the_filters_fit(page: Client, relay: SmtpServer) -> None:
    subject = "Żnin, “week 10”"
    message(relay, "sent", "failed", subject=subject)
    message(relay, "sent", subject="Other", purpose="alert")
    rows = list(csv.DictReader(io.StringIO(exported(page, "as=csv&purpose=notification"))))
    assert [(row["subject"], row["state"]) for row in rows] == [(subject, "sent"), (subject, "failed")]
    lines = [json.loads(line) for line in exported(page, "as=jsonl").splitlines()]
    assert {line["subject"] for line in lines} == {subject, "Other"}
    assert len(lines) == 3
    entry = AuditEntry.objects.filter(action="messages.export").first()
    assert entry is not None
    assert entry.changes["filter"]["purpose"] == "notification"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_a_field_that_a_spreadsheet_would_run_is_neutral(page: Client, relay: SmtpServer, text: str) -> None:
    message(relay, "sent", subject=text)
    (row,) = csv.DictReader(io.StringIO(exported(page, "as=csv"), newline=""))
    assert row["subject"] == f"'{text}"
    assert neutral(text).startswith("'")


@pytest.mark.parametrize("text", ["x;=1+1", "x; -1", 'x;"=1+1"', "x;\t@y"])
def test_w5_a_field_holds_no_formula_where_spreadsheets_divide_at_semicolons(text: str) -> None:
    cells = [cell.lstrip(' \t"') for cell in neutral(text).split(";")]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert neutral("550 5.1.1 no; see a=b").startswith("550 5.1.1 no; see a=b")


def test_a_long_export_ends_at_its_bound(page: Client, relay: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.pages.queries.message_export.LINES", 7)
    monkeypatch.setattr("postroom.pages.queries.message_export._MESSAGES_AT_ONCE", 2)
    for _ in range(10):
        message(relay, "sent")
    assert len(exported(page, "as=jsonl").splitlines()) == 7


def test_mail_that_no_server_will_take_says_so(page: Client) -> None:
    message(None, "deferred", subject="Named", pinned=True)
    message(None, "queued", subject="Free")
    text = page.get("/messages").content.decode()
    assert "the server it named is gone" in text
    assert "waits for a server" in text
