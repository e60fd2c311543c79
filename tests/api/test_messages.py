"""Messages and deliveries over the API: lists, filters, attempts, cancel and retry."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from postroom.flow.acceptance.queue_room import QueueLimits, QueueRoom
from postroom.store.activity_log import ActivityLog
from postroom.store.blobs import Blobs
from postroom.store.models import ApiToken, Attempt, AuditEntry, Delivery, Message

from .conftest import Call

Make = Callable[..., Message]
URL = "/api/v1/messages"


@pytest.fixture
def make() -> Make:
    def made(*states: str, client: str | None = None, **values: object) -> Message:
        now = timezone.now()
        message = Message.objects.create(**{
            "client": ApiToken.objects.get(name=client) if client else None, "client_name": client or "",
            "message_id": "<a@b>", "from_header": "Reports <r@company.example>", "subject": "Sales",
            "content_digest": "0" * 64, "content_size": 7, "created_at": now,
            "expires_at": now + timedelta(days=2), **values,
        })  # fmt: skip
        for number, state in enumerate(states):
            Delivery.objects.create(
                message=message, recipient=f"r{number}@example.com", state=state, due_at=now, updated_at=now
            )
        return message

    return made


def test_a_message_shows_its_deliveries_and_their_attempts(make: Make, reader: Call) -> None:
    message = make("deferred", tags=["monthly"], metadata={"report": 7})
    delivery = message.deliveries.get()
    Attempt.objects.create(
        delivery=delivery, number=1, server_name="Relay", started_at=timezone.now(), outcome="deferred",
        stage="recipient", reply_code=450, enhanced_code="4.2.1", reply="450 4.2.1 try later", cause="mailbox-busy",
    )  # fmt: skip
    document = reader("get", f"{URL}/{message.pk}").json()
    assert (document["from"], document["subject"], document["states"]) == (
        "Reports <r@company.example>", "Sales", {"deferred": 1},
    )  # fmt: skip
    assert (document["tags"], document["metadata"]) == (["monthly"], {"report": 7})
    assert document["deliveries"][0]["recipient"] == "r0@example.com"
    attempt = document["deliveries"][0]["attempts"][0]
    assert (attempt["number"], attempt["reply_code"], attempt["cause"]) == (1, 450, "mailbox-busy")


def test_lists_are_paged_newest_first(make: Make, reader: Call) -> None:
    made = [make("queued").pk for _ in range(5)]
    seen: list[str] = []
    before = ""
    for _ in range(3):
        page = reader("get", f"{URL}?limit=2{before}").json()
        seen += [message["id"] for message in page["messages"]]
        before = f"&before={page['next_before']}"
    assert seen == made[::-1]
    assert page["next_before"] is None
    deliveries = reader("get", "/api/v1/deliveries?limit=2").json()
    assert [d["message"] for d in deliveries["deliveries"]] == made[:2:-1]


def test_lists_are_filtered(make: Make, reader: Call) -> None:
    sent, mixed = make("sent", tags=["a"]), make("sent", "failed", tags=["ab"])
    for query, expected in {
        "state=failed": [mixed.pk], "state=sent": [mixed.pk, sent.pk], "recipient=r1@example.com": [mixed.pk],
        "tag=a": [sent.pk], "server=x": [],
    }.items():  # fmt: skip
        assert [m["id"] for m in reader("get", f"{URL}?{query}").json()["messages"]] == expected, query
    assert len(reader("get", "/api/v1/deliveries?state=sent").json()["deliveries"]) == 2


@pytest.mark.parametrize(
    "query", ["state=lost", "limit=0", "limit=501", "limit=x", "colour=red", "limit=1&limit=2", "before=" + "x" * 27]
)
@pytest.mark.parametrize("path", [URL, "/api/v1/deliveries"])
def test_a_parameter_that_can_t_be_taken_is_named(reader: Call, path: str, query: str) -> None:
    answer = reader("get", f"{path}?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


def test_a_sending_token_sees_its_own_messages_only(make: Make, sender: Call, reader: Call) -> None:
    own, other = make("queued", client="Sender"), make("queued")
    assert [m["id"] for m in sender("get", URL).json()["messages"]] == [own.pk]
    assert [d["message"] for d in sender("get", "/api/v1/deliveries").json()["deliveries"]] == [own.pk]
    assert sender("get", f"{URL}/{other.pk}").status_code == 404
    assert sender("post", f"{URL}/{other.pk}/cancel").status_code == 404
    assert sender("post", f"{URL}/{own.pk}/cancel").status_code == 200
    assert len(reader("get", URL).json()["messages"]) == 2


def test_cancel_ends_what_waits_and_nothing_else(make: Make, admin: Call) -> None:
    message = make("queued", "deferred", "sending", "sent", "failed", "held", "uncertain")
    assert admin("post", f"{URL}/{message.pk}/cancel").json() == {"id": message.pk, "deliveries": 4}
    states = list(message.deliveries.order_by("recipient").values_list("state", flat=True))
    assert states == ["cancelled", "cancelled", "sending", "sent", "failed", "cancelled", "cancelled"]
    assert message.deliveries.filter(state="cancelled", fence=1).count() == 4
    assert AuditEntry.objects.get(action="message.cancel").actor == "API token Admin"
    assert admin("post", f"{URL}/{message.pk}/cancel").status_code == 409


def test_retry_queues_what_stopped_and_gives_an_expired_message_time(make: Make, admin: Call) -> None:
    message = make("failed", "sent", expires_at=timezone.now() - timedelta(days=1))
    assert admin("post", f"{URL}/{message.pk}/retry").json()["deliveries"] == 1
    message.refresh_from_db()
    assert message.expires_at > timezone.now() + timedelta(days=1)
    assert sorted(message.deliveries.values_list("state", flat=True)) == ["queued", "sent"]
    assert admin("post", f"{URL}/{message.pk}/retry").status_code == 409
    assert AuditEntry.objects.filter(action="message.retry").count() == 1


def test_messages_are_found_by_cause_purpose_client_time_and_text(make: Make, reader: Call) -> None:
    report = make("failed", purpose="report", client_name="Payroll")
    alert = make("sent", purpose="alert", subject="Gate")
    report.deliveries.update(cause="recipient-unknown")
    later = (timezone.now() + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    for query, expected in {
        "cause=recipient-unknown": [report.pk], "purpose=alert": [alert.pk], "client=Payroll": [report.pk],
        "q=gate": [alert.pk], "q=r0@example.com": [alert.pk, report.pk], f"q={report.pk}": [report.pk],
        f"since={later}": [], f"until={later}&state=failed": [report.pk], "q=gate&state=failed": [],
    }.items():  # fmt: skip
        assert [m["id"] for m in reader("get", f"{URL}?{query}").json()["messages"]] == expected, query
    assert reader("get", f"{URL}?since=2026-01-01T00:00:00").status_code == 422
    deliveries = reader("get", f"/api/v1/deliveries?cause=recipient-unknown&until={later}").json()["deliveries"]
    assert [d["message"] for d in deliveries] == [report.pk]


def test_a_message_is_resent_as_a_new_one_of_the_same_client(make: Make, sender: Call, reader: Call) -> None:
    blob = Blobs(Path(settings.DATA_DIR) / "blobs").put([b"Subject: x\r\n\r\n"])
    values = {"content_digest": blob.digest, "content_size": blob.size_bytes}
    own, other = make("sent", "failed", client="Sender", **values), make("sent", **values)
    answer = sender("post", f"{URL}/{own.pk}/resend", {"recipients": "failed"})
    assert answer.status_code == 202
    document = answer.json()
    assert document["resend_of"] == own.pk
    assert [(d["recipient"], d["state"]) for d in document["deliveries"]] == [("r1@example.com", "queued")]
    assert sender("get", f"{URL}/{document['id']}").json()["resend_of"] == own.pk
    assert len(sender("post", f"{URL}/{own.pk}/resend").json()["deliveries"]) == 2
    assert sender("post", f"{URL}/{other.pk}/resend").status_code == 404
    assert sender("post", f"{URL}/{document['id']}/resend").status_code == 409
    assert sender("post", f"{URL}/{own.pk}/resend", {"recipients": "some"}).status_code == 422
    assert reader("post", f"{URL}/{own.pk}/resend").status_code == 403


def test_b8_a_full_queue_takes_no_resent_message(make: Make, sender: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    room = QueueRoom(QueueLimits(0, 0))
    monkeypatch.setattr("postroom.flow.acceptance.resend.queue_room", lambda: room)
    blob = Blobs(Path(settings.DATA_DIR) / "blobs").put([b"Subject: x\r\n\r\n"])
    own = make("sent", client="Sender", content_digest=blob.digest, content_size=blob.size_bytes)
    answer = sender("post", f"{URL}/{own.pk}/resend")
    assert (answer.status_code, answer.json()["type"]) == (429, "/api/docs#problem-queue-full")
    assert int(answer["Retry-After"]) > 0


def test_activity_of_a_day_is_filtered(reader: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DATA_DIR", tmp_path)
    log = ActivityLog(tmp_path / "logs")
    for outcome in ("sent", "failed"):
        log.append({"kind": "delivery", "outcome": outcome, "recipient": "ann@example.com", "cause": "x"})
    log.close()
    document = reader("get", "/api/v1/activity?outcome=failed").json()
    assert [entry["outcome"] for entry in document["entries"]] == ["failed"]
    assert document["days"] == [document["day"]]
    assert reader("get", "/api/v1/activity?day=2001-01-01").json()["entries"] == []
    for day in ("yesterday", "9999-12-31", "0001-01-01"):
        assert reader("get", f"/api/v1/activity?day={day}").status_code == 422
