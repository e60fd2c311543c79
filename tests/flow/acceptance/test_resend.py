"""What an operator does to accepted messages: resend, and taking back a cancelling."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from postroom.flow.acceptance.queue_room import QueueLimits, QueueRoom
from postroom.flow.acceptance.resend import Hand, Recipients, resend, resend_each
from postroom.flow.messages import outbox
from postroom.flow.servers.configure import NotPossible
from postroom.store import storage_room
from postroom.store.blobs import Blobs
from postroom.store.models import AuditEntry, Delivery, Message, SmtpServer
from postroom.terms.problem import Problem
from postroom.terms.server import ServerSettings

HAND = Hand("marta@norrvik.example", "Marta Keller")
CONTENT = b"Subject: x\r\n\r\nHello\r\n"


@pytest.fixture(autouse=True)
def database(db: None) -> None:
    """Every test reads and writes."""


@pytest.fixture
def server() -> SmtpServer:
    return SmtpServer.objects.create(
        name="Relay", settings=ServerSettings(name="Relay", host="relay.example").as_json(), use_unverified=True,
    )


@pytest.fixture
def message(server: SmtpServer) -> Message:
    blob, now = Blobs(Path(settings.DATA_DIR) / "blobs").put([CONTENT]), timezone.now()
    message = Message.objects.create(
        message_id="<1@norrvik.example>", from_header="Reports <r@norrvik.example>", reverse_path="r@norrvik.example",
        subject="Sales", content_digest=blob.digest, content_size=blob.size_bytes, created_at=now - timedelta(days=3),
        expires_at=now - timedelta(days=1), server=server, purpose="report", tags=["weekly"], pinned=True,
        send_at=now - timedelta(days=3),
    )
    for state in ("sent", "failed", "cancelled", "deferred", "held"):
        Delivery.objects.create(
            message=message, recipient=f"{state}@norrvik.example", state=state, due_at=now, updated_at=now,
            server=server, attempt_count=1,
        )
    return message


def recipients_of(message: Message) -> list[str]:
    return sorted(message.deliveries.values_list("recipient", flat=True))


def test_a_resent_message_has_the_same_bytes_and_message_id_and_goes_to_those_for_whom_it_ended(
    message: Message,
) -> None:
    again = resend(message, HAND)
    assert again.pk > message.pk
    assert (again.resend_of_id, again.message_id, again.content_digest) == (
        message.pk, message.message_id, message.content_digest,
    )
    assert (again.client_name, again.purpose, again.tags, again.pinned) == ("Marta Keller", "report", ["weekly"], True)
    assert again.send_at is None
    assert again.expires_at > timezone.now() + timedelta(days=1)
    assert recipients_of(again) == ["cancelled@norrvik.example", "failed@norrvik.example", "sent@norrvik.example"]
    assert set(again.deliveries.values_list("state", "attempt_count", "server")) == {("queued", 0, message.server_id)}
    entry = AuditEntry.objects.get(action="message.resend")
    assert (entry.actor, entry.subject) == ("marta@norrvik.example", message.pk)
    assert entry.changes == {"message": again.pk, "deliveries": 3}


def test_it_may_go_only_to_those_it_failed_to_reach(message: Message) -> None:
    assert recipients_of(resend(message, HAND, Recipients.FAILED)) == ["failed@norrvik.example"]


def test_what_still_waits_or_has_lost_its_content_is_not_resent(message: Message) -> None:
    message.deliveries.exclude(state="deferred").delete()
    with pytest.raises(NotPossible):
        resend(message, HAND)
    message.deliveries.update(state="sent")
    Message.objects.filter(pk=message.pk).update(content_digest="f" * 64)
    message.refresh_from_db()
    with pytest.raises(NotPossible, match="can't be sent again"):
        resend(message, HAND)
    assert resend_each([message], HAND) == ([], None)
    assert Message.objects.count() == 1


def test_without_its_server_it_leaves_through_the_one_that_routing_names(message: Message) -> None:
    message.pinned = False
    message.save()
    other = SmtpServer.objects.create(
        name="Other", settings=ServerSettings(name="Other", host="other.example").as_json(), use_unverified=True,
        position=1,
    )
    assert message.server is not None
    SmtpServer.objects.filter(pk=message.server.pk).update(enabled=False)
    message.refresh_from_db()
    assert resend(message, HAND).server == other


def test_b8_what_does_not_fit_into_the_queue_is_not_resent(
    message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = QueueRoom(QueueLimits(in_all=5, per_client=9))
    monkeypatch.setattr("postroom.flow.acceptance.resend.queue_room", lambda: room)
    made, refusal = resend_each([message, message], HAND)
    assert (len(made), refusal and refusal.slug) == (1, "queue-full")
    with pytest.raises(Problem) as refused:
        resend(message, HAND, Recipients.FAILED)
    assert (refused.value.status, refused.value.slug) == (429, "queue-full")
    assert (Message.objects.count(), Delivery.objects.count()) == (2, 8)


def test_d5_nothing_is_resent_while_the_disk_is_full(message: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_room.StorageRoom, "_look", lambda _: storage_room.RESERVE_BYTES + 1)
    with pytest.raises(Problem) as refused:
        resend(message, HAND)
    assert (refused.value.status, refused.value.slug) == (507, "storage-full")
    assert Message.objects.count() == 1


def test_undoing_a_cancelling_has_each_delivery_wait_as_before_for_when_it_was_due(message: Message) -> None:
    due_at = timezone.now() + timedelta(hours=7)
    message.deliveries.filter(state="deferred").update(due_at=due_at)
    Delivery.objects.create(
        message=message, recipient="new@norrvik.example", state="queued", due_at=due_at, updated_at=due_at
    )
    Delivery.objects.create(
        message=message, recipient="perhaps@norrvik.example", state="uncertain", due_at=due_at, updated_at=due_at,
        uncertain_count=1, attempt_count=1,
    )
    before = dict(message.deliveries.values_list("recipient", "state"))
    done = outbox.cancel([message.pk], "marta@norrvik.example")
    assert (done.messages, done.deliveries, len(done.held)) == (1, 4, 1)
    assert message.deliveries.filter(state="cancelled").count() == 5
    undone = outbox.undo_cancel([message.pk], "marta@norrvik.example", at=done.at, held=done.held)
    assert undone.deliveries == 4
    assert dict(message.deliveries.values_list("recipient", "state")) == before
    assert set(message.deliveries.filter(state__in=("queued", "deferred")).values_list("due_at", flat=True)) == {due_at}
    assert set(message.deliveries.filter(recipient="new@norrvik.example").values_list("fence", flat=True)) == {2}


def test_undoing_leaves_alone_what_was_cancelled_at_another_time(message: Message) -> None:
    outbox.cancel([message.pk], "x")
    assert outbox.undo_cancel([message.pk], "x", at=timezone.now()).deliveries == 0


def test_several_messages_are_changed_at_once_with_an_entry_for_each(message: Message) -> None:
    again = resend(message, HAND)
    done = outbox.cancel([message.pk, again.pk, "nothing"], "x")
    assert (done.messages, done.deliveries) == (2, 5)
    assert set(AuditEntry.objects.filter(action="message.cancel").values_list("subject", flat=True)) == {
        message.pk, again.pk,
    }


def test_one_recipient_alone_can_be_tried_again(message: Message) -> None:
    held = message.deliveries.get(state="held")
    assert outbox.retry_now([message.pk], "x", delivery_id=held.pk).deliveries == 1
    held.refresh_from_db()
    assert held.state == "queued"
    assert message.deliveries.filter(state="failed").exists()


def test_without_the_server_that_its_client_named_it_waits_for_no_other_by_name(
    message: Message, server: SmtpServer
) -> None:
    server.delete()
    message.refresh_from_db()
    again = resend(message, HAND)
    assert (again.server, again.pinned) == (None, False)


def test_a_resent_message_of_a_list_belongs_to_it_still_so_that_who_left_gets_none(message: Message) -> None:
    Message.objects.filter(pk=message.pk).update(list_name="Weekly")
    assert resend(Message.objects.get(pk=message.pk), HAND).list_name == "Weekly"
