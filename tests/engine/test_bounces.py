"""Who gets no mail is asked when a delivery is about to leave; a bounce tells which delivery it is about."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from tests.bounced import dsn

from postroom.flow.delivery.bounce import Way, take_report
from postroom.flow.messages.outbox import retry_now
from postroom.flow.recipients.suppression import Entry, release, suppress
from postroom.store.models import Attempt, Bounce, Delivery, Suppression

from .conftest import Outbox
from .peer import Peer

pytestmark = pytest.mark.django_db(transaction=True)


async def stopped(address: str, list_name: str = "", reason: str = "manual") -> None:
    entry = Entry(address, reason, list_name)
    await sync_to_async(suppress)([entry], actor="test", now=datetime.now(UTC))


async def test_s8_who_is_suppressed_between_acceptance_and_claim_gets_nothing_and_the_others_do(
    outbox: Outbox,
) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org", "Ben@example.org", "carl@example.org")
        await stopped("ben@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("sent", "failed")
    assert dict(outbox.states()) == {
        "ann@example.org": "sent", "Ben@example.org": "failed", "carl@example.org": "sent",
    }
    assert {recipient for taken in peer.taken for recipient in taken.recipients} == {
        "ann@example.org", "carl@example.org",
    }
    delivery = await Delivery.objects.aget(state="failed")
    assert delivery.cause == "recipient-suppressed"
    assert delivery.finding is not None
    assert "Ben@example.org" in delivery.finding["explanation"]
    attempt = await Attempt.objects.aget(delivery=delivery)
    assert (attempt.outcome, attempt.stage, attempt.cause) == ("failed", "", "recipient-suppressed")


async def test_s8_who_leaves_a_list_gets_nothing_of_it_that_waits_and_still_gets_a_reset_of_the_password(
    outbox: Outbox,
) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org", list_name="Weekly")
        await outbox.submit(server_id, "ann@example.org", subject="Reset", priority=5)
        await stopped("ann@example.org", "Weekly", "unsubscribe")
        await outbox.open_lane(server_id)
        await outbox.until("sent", "failed")
    found = {d.message.list_name: d.state async for d in Delivery.objects.select_related("message")}
    assert found == {"Weekly": "failed", "": "sent"}


async def test_a_delivery_that_was_suppressed_goes_once_its_address_is_let_back_in_and_it_is_retried(
    outbox: Outbox,
) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        enqueued = await outbox.submit(server_id, "ann@example.org")
        await stopped("ann@example.org")
        lane = await outbox.open_lane(server_id)
        await outbox.until("failed")
        row = await Suppression.objects.aget()
        await sync_to_async(release)([row.pk], actor="test")
        await sync_to_async(retry_now)([enqueued.id], "test")
        lane.nudge()
        await outbox.until("sent")
    assert [taken.recipients for taken in peer.taken] == [("ann@example.org",)]


async def test_each_recipient_has_a_return_path_of_its_own_and_what_comes_back_to_it_is_matched(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "DATA_DIR", tmp_path)
    async with Peer() as peer:
        server_id = await outbox.server(peer.port, bounce_address="bounces@reports.example")
        await outbox.submit(server_id, "ann@example.org", "ben@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("sent")
    paths = {taken.recipients: taken.sender for taken in peer.taken}
    assert set(paths) == {("ann@example.org",), ("ben@example.org",)}
    assert len(set(paths.values())) == 2
    report = dsn("ben@example.org", message_id="")
    now = datetime.now(UTC) + timedelta(minutes=1)
    await sync_to_async(take_report)(report, Way.SUBMISSION, now, paths[("ben@example.org",)])
    bounce = await Bounce.objects.select_related("delivery").aget()
    assert (bounce.delivery.recipient, bounce.delivery.state) == ("ben@example.org", "sent")
    assert (await Suppression.objects.aget()).address == "ben@example.org"


async def test_without_a_bounce_address_recipients_share_a_transaction_and_the_reverse_path(outbox: Outbox) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org", "ben@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("sent")
    assert [(taken.sender, len(taken.recipients)) for taken in peer.taken] == [("reports@example.com", 2)]
