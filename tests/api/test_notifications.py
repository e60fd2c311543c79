"""Notifications of jobs that Postroom does not run."""

from pathlib import Path
from typing import Any

import pytest
from tests.outbox import octets_of

from postroom.flow.servers.configure import save_untested
from postroom.store.models import GroupMember, Message, Recipient, RecipientGroup
from postroom.terms.server import Security, ServerSettings

from .conftest import Call

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/api/v1/notifications"
FAILED = {"job": "Nightly import", "outcome": "error", "recipients": ["ann@example.org"]}


@pytest.fixture(autouse=True)
def _relay() -> None:
    settings = ServerSettings(
        name="Relay", from_address="reports@company.example", host="smtp.company.example", port=25,
        security=Security.NONE,
    )
    save_untested(
        settings, password=None, based_on=None, server=None, reason="test", use_unverified=True, actor="test"
    )


def test_a_job_tells_addresses_and_a_group_each_in_a_message_of_their_own(sender: Call, data_dir: Path) -> None:
    group = RecipientGroup.objects.create(name="Operations")
    member = Recipient.objects.create(name="Zoe", address="zoe@example.org", address_key="zoe@example.org")
    GroupMember.objects.create(group=group, recipient=member)
    body = {**FAILED, "group": "Operations", "text": "Row 7 is no number.", "log": "token=canary\nrow 7\n",
            "run_url": "https://jobs.example/7"}
    answer = sender("post", PATH, body)
    assert answer.status_code == 202
    told = [delivery["recipient"] for message in answer.json()["messages"] for delivery in message["deliveries"]]
    assert told == ["ann@example.org", "zoe@example.org"]
    message = Message.objects.order_by("pk").first()
    assert message is not None
    assert (message.subject, message.purpose, message.metadata["job"]) == (
        "Nightly import failed", "notification", "Nightly import"
    )
    octets = octets_of(message, data_dir / "blobs").decode()
    assert "https://jobs.example/7" in octets
    assert "Nightly import.log" in octets
    assert "canary" not in octets


def test_a_notification_that_is_repeated_with_its_key_is_sent_once(sender: Call) -> None:
    key = {"Idempotency-Key": "import-7"}
    first, again = sender("post", PATH, FAILED, **key), sender("post", PATH, FAILED, **key)
    assert first.json() == again.json()
    assert Message.objects.count() == 1
    assert sender("post", PATH, {**FAILED, "outcome": "success"}, **key).status_code == 409


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"outcome": "fine"}, "outcome"), ({"job": ""}, "job"), ({"job": "a\r\nBcc: x@example.org"}, "job"),
        ({"title": "a\nb"}, "title"), ({"recipients": []}, "recipients"), ({"recipients": ["x"]}, "recipients.0"),
        ({"group": "Nobody"}, "group"), ({"run_url": "javascript:alert(1)"}, "run_url"), ({"colour": "red"}, "colour"),
        ({"log": 5}, "log"),
    ],
)
def test_what_is_wrong_with_a_notification_is_named(sender: Call, changes: dict[str, Any], field: str) -> None:
    answer = sender("post", PATH, {**FAILED, **changes})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Message.objects.exists()
