"""Webhooks beside the engine, with a real receiver: what it hears, how it is signed, and what happens when it fails."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction
from tests.rig.receiver import Receiver

from postroom.engine.webhooks import Webhooks
from postroom.flow.webhooks import webhook_attempt
from postroom.flow.webhooks.webhook_history import replay_since
from postroom.flow.webhooks.webhook_send import send_test
from postroom.flow.webhooks.webhooks import add_webhook, pause_webhook, renew_secret, resume_webhook
from postroom.policy.fetch_networks import FetchNetworks
from postroom.store.change import open_change
from postroom.store.event_triggers import remove_all
from postroom.store.models import AuditEntry, Event, Webhook, WebhookDelivery
from postroom.store.queue import Queue
from postroom.store.turn import OnlyTurn

from .conftest import Outbox

Add = Callable[..., Any]


@pytest.fixture(autouse=True)
def loopback_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "WEBHOOK_NETWORKS", FetchNetworks.parse("127.0.0.0/8"))


@pytest.fixture(autouse=True)
def no_triggers_are_left(queue: Queue) -> Iterator[None]:  # noqa: ARG001  it makes the tables
    yield
    with transaction.atomic():
        remove_all()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
async def at_work(outbox: Outbox) -> AsyncIterator[None]:  # noqa: ARG001
    change = open_change()
    webhooks = Webhooks(change, OnlyTurn())
    yield
    await webhooks.stop()
    change.close()


async def added(url: str, *events: str, name: str = "App") -> tuple[Webhook, str]:
    return await sync_to_async(add_webhook)({"name": name, "url": url, "events": list(events)}, "test")


async def until(holds: Callable[[], bool], within_s: float = 8.0) -> None:
    deadline = asyncio.get_running_loop().time() + within_s
    while not await sync_to_async(holds)():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


async def test_a_webhook_hears_of_a_message_that_is_queued_deferred_and_cancelled(
    outbox: Outbox, receiver: Receiver, at_work: None  # noqa: ARG001
) -> None:
    await added(receiver.url)
    server_id = await outbox.server(1)
    accepted = await outbox.submit(server_id, "ann@example.org", tags=["monthly"], metadata={"order": 7})
    await until(lambda: len(receiver.events) == 1)
    lane = await outbox.open_lane(server_id)
    lane.nudge()
    await until(lambda: len(receiver.events) == 2)
    queued, deferred = receiver.events
    assert (queued["type"], deferred["type"]) == ("message.queued", "message.deferred")
    assert queued["data"]["message"]["id"] == accepted.id
    assert queued["data"]["message"]["tags"] == ["monthly"]
    assert queued["data"]["message"]["metadata"] == {"order": 7}
    assert queued["data"]["delivery"]["reply"] is None
    assert deferred["data"]["recipient"] == "ann@example.org"
    assert deferred["data"]["delivery"] | {"next_attempt_at": None} == {
        "id": accepted.deliveries[0][0], "state": "deferred", "attempt": 1, "server": "Peer",
        "cause": "connect-refused-no-listener", "reply": deferred["data"]["delivery"]["reply"], "next_attempt_at": None,
    }
    assert deferred["data"]["delivery"]["next_attempt_at"].endswith("Z")
    assert deferred["data"]["anymail"] == {"event_type": "deferred", "reject_reason": None}
    assert await Event.objects.acount() == 0


async def test_a_request_is_signed_as_standard_webhooks_says(
    outbox: Outbox, receiver: Receiver, at_work: None  # noqa: ARG001
) -> None:
    _, secret = await added(receiver.url, "message.queued")
    await outbox.submit(await outbox.server(1))
    await until(lambda: len(receiver.taken) == 1)
    taken = receiver.taken[0]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = b".".join(
        (taken.header["webhook-id"].encode(), taken.header["webhook-timestamp"].encode(), taken.body)
    )
    expected = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert taken.header["webhook-signature"] == expected
    assert abs(datetime.now(UTC).timestamp() - int(taken.header["webhook-timestamp"])) < 60


async def test_both_secrets_sign_while_a_new_one_is_taken_over(
    outbox: Outbox, receiver: Receiver, at_work: None  # noqa: ARG001
) -> None:
    webhook, _ = await added(receiver.url, "message.queued")
    await sync_to_async(renew_secret)(webhook.pk, "test", datetime.now(UTC))
    await outbox.submit(await outbox.server(1))
    await until(lambda: len(receiver.taken) == 1)
    assert len(receiver.taken[0].header["webhook-signature"].split(" ")) == 2


async def test_a_request_that_is_refused_is_sent_again_with_the_same_id_and_body(
    outbox: Outbox, receiver: Receiver, at_work: None, monkeypatch: pytest.MonkeyPatch  # noqa: ARG001
) -> None:
    monkeypatch.setattr(webhook_attempt, "pause_s", lambda *_: 0.0)
    receiver.answers, receiver.said = [500, 503], b"down for repairs\x00"
    webhook, _ = await added(receiver.url, "message.queued")
    await outbox.submit(await outbox.server(1))
    await until(lambda: WebhookDelivery.objects.filter(state="succeeded").exists())
    assert len({(taken.header["webhook-id"], taken.body) for taken in receiver.taken}) == 1
    assert len(receiver.taken) == 3
    row = await WebhookDelivery.objects.aget()
    assert [attempt["status"] for attempt in row.attempts] == [500, 503, 204]
    assert row.attempts[0]["answer"].startswith("down for repairs")
    assert row.attempts[0]["problem"][0]["values"] == {"status": 500}
    webhook = await Webhook.objects.aget(pk=webhook.pk)
    assert (webhook.failures, webhook.failing_since, webhook.last_problem) == (0, None, "")


async def test_a_receiver_that_says_gone_is_not_asked_again(
    outbox: Outbox, receiver: Receiver, at_work: None  # noqa: ARG001
) -> None:
    receiver.answers = [410]
    webhook, _ = await added(receiver.url, "message.queued")
    server_id = await outbox.server(1)
    await outbox.submit(server_id)
    await until(lambda: Webhook.objects.filter(paused_for="gone").exists())
    assert await AuditEntry.objects.filter(action="webhook.pause", subject=webhook.name).aexists()
    await outbox.submit(server_id)
    assert await Event.objects.acount() == 0


async def test_a_webhook_that_fails_for_days_is_paused(
    outbox: Outbox, receiver: Receiver, at_work: None  # noqa: ARG001
) -> None:
    receiver.answers = [500] * 20
    webhook, _ = await added(receiver.url, "message.queued")
    long_ago = datetime.now(UTC) - timedelta(days=3, minutes=1)
    await Webhook.objects.filter(pk=webhook.pk).aupdate(failures=9, failing_since=long_ago)
    await outbox.submit(await outbox.server(1))
    await until(lambda: Webhook.objects.filter(paused_for="failing").exists())


async def test_what_waited_is_sent_when_a_pause_is_over(
    outbox: Outbox, receiver: Receiver, at_work: None  # noqa: ARG001
) -> None:
    receiver.answers = [410]
    webhook, _ = await added(receiver.url, "message.queued")
    await outbox.submit(await outbox.server(1))
    await until(lambda: Webhook.objects.filter(paused_for="gone").exists())
    await sync_to_async(resume_webhook)(webhook.pk, "test", datetime.now(UTC))
    await until(lambda: WebhookDelivery.objects.filter(state="succeeded").exists())


async def test_a_test_reaches_a_paused_webhook_and_is_tried_once(
    outbox: Outbox, receiver: Receiver, at_work: None  # noqa: ARG001
) -> None:
    receiver.answers = [500]
    webhook, _ = await added(receiver.url)
    await sync_to_async(pause_webhook)(webhook.pk, "test", datetime.now(UTC))
    await sync_to_async(send_test)(webhook, "test", datetime.now(UTC))
    await until(lambda: WebhookDelivery.objects.filter(state="failed").exists())
    assert [event["type"] for event in receiver.events] == ["webhook.test"]


async def test_what_failed_can_be_replayed(
    outbox: Outbox, receiver: Receiver, at_work: None  # noqa: ARG001
) -> None:
    webhook, _ = await added(receiver.url, "message.queued")
    began_at = datetime.now(UTC) - timedelta(seconds=1)
    await outbox.submit(await outbox.server(1))
    await until(lambda: WebhookDelivery.objects.filter(state="succeeded").exists())

    def replayed(only_failed: bool) -> int:
        return replay_since(webhook, began_at, None, "test", datetime.now(UTC), only_failed=only_failed)

    assert await sync_to_async(replayed)(True) == 0
    assert await sync_to_async(replayed)(False) == 1
    await until(lambda: len(receiver.taken) == 2)
    assert receiver.taken[0].body == receiver.taken[1].body


async def test_a_redirect_is_not_followed(
    outbox: Outbox, receiver: Receiver, at_work: None  # noqa: ARG001
) -> None:
    receiver.answers, receiver.header = [307], {"Location": f"{receiver.url}/elsewhere"}
    await added(receiver.url, "message.queued")
    await outbox.submit(await outbox.server(1))
    await until(lambda: WebhookDelivery.objects.filter(attempt_count=1).exists())
    assert [taken.path for taken in receiver.taken] == ["/mail-events"]


async def test_a_hundred_events_leave_in_one_request(
    outbox: Outbox, receiver: Receiver, at_work: None  # noqa: ARG001
) -> None:
    await added(receiver.url, "message.queued")
    server_id = await outbox.server(1)
    await outbox.submit(server_id, *(f"r{number}@example.org" for number in range(250)))
    await until(lambda: len(receiver.events) == 250)
    assert [len(taken.events) for taken in receiver.taken] == [100, 100, 50]
    assert len({event["id"] for event in receiver.events}) == 250
    assert all(json.loads(taken.body) for taken in receiver.taken)


async def test_e1_an_internal_address_is_refused_when_its_network_is_not_open(
    outbox: Outbox, receiver: Receiver, at_work: None, monkeypatch: pytest.MonkeyPatch  # noqa: ARG001
) -> None:
    await added(receiver.url.replace("127.0.0.1", "localhost"), "message.queued")
    monkeypatch.setattr(settings, "WEBHOOK_NETWORKS", FetchNetworks())
    await outbox.submit(await outbox.server(1))
    await until(lambda: WebhookDelivery.objects.filter(attempt_count=1).exists())
    row = await WebhookDelivery.objects.aget()
    assert "internal address" in row.attempts[0]["problem"][0]["pattern"]
    assert receiver.taken == []


async def test_what_an_engine_left_behind_is_sent_by_the_next_one_under_the_same_id(
    outbox: Outbox, receiver: Receiver
) -> None:
    await added(receiver.url, "message.queued")
    change, receiver.pause_s = open_change(), 1.0
    first = Webhooks(change, OnlyTurn())
    await outbox.submit(await outbox.server(1))
    await until(lambda: len(receiver.taken) == 1)
    await first.stop()
    receiver.pause_s = 0.0
    second = Webhooks(change, OnlyTurn())
    await until(lambda: WebhookDelivery.objects.filter(state="succeeded").exists())
    await second.stop()
    change.close()
    assert len(receiver.taken) == 2
    assert len({taken.header["webhook-id"] for taken in receiver.taken}) == 1


async def test_a_slow_receiver_holds_up_no_other(
    outbox: Outbox, receiver: Receiver, at_work: None  # noqa: ARG001
) -> None:
    slow = Receiver(pause_s=3.0)
    slow.start()
    await added(slow.url, "message.queued", name="Slow")
    await added(receiver.url, "message.queued")
    server_id = await outbox.server(1)
    for _ in range(3):
        await outbox.submit(server_id)
        await asyncio.sleep(0.3)
    await until(lambda: len(receiver.events) == 3)
    assert len(slow.taken) == 1
    slow.stop()


async def test_an_engine_that_has_not_the_turn_sends_nothing(outbox: Outbox, receiver: Receiver) -> None:
    await added(receiver.url, "message.queued")
    turn, change = OnlyTurn(), open_change()
    turn.is_mine = False
    webhooks = Webhooks(change, turn)
    await outbox.submit(await outbox.server(1))
    await asyncio.sleep(1.5)
    assert (await Event.objects.acount(), receiver.taken) == (1, [])
    await webhooks.stop()
    change.close()


async def test_a_webhook_for_some_tags_or_purposes_hears_of_those_messages_alone(
    outbox: Outbox, receiver: Receiver, at_work: None  # noqa: ARG001
) -> None:
    values = {"name": "Billing", "url": receiver.url, "tags": ["invoice", "bill"], "purposes": ["notification"]}
    await sync_to_async(add_webhook)(values, "test")
    server_id = await outbox.server(1)
    await outbox.submit(server_id, "no@example.org", tags=["monthly"])
    await outbox.submit(server_id, "none@example.org")
    await outbox.submit(server_id, "other@example.org", tags=["bill"], purpose="report")
    wanted = await outbox.submit(server_id, "ann@example.org", tags=["x", "bill"])
    await until(lambda: len(receiver.events) == 1)
    await until(lambda: not Event.objects.exists())
    assert [event["data"]["message"]["id"] for event in receiver.events] == [wanted.id]
    assert await WebhookDelivery.objects.acount() == 1
