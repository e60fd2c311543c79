"""Events: in the commit of the change they tell of, exactly as often as it happens, and only while somebody listens."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from tests.outbox import NOW, enqueued, new_message

from postroom.flow.messages.outbox import cancel, retry_now, undo_cancel
from postroom.store import event_triggers, schema
from postroom.store.models import (
    Alert,
    AlertRule,
    Bounce,
    Delivery,
    Event,
    Message,
    ReportSource,
    Run,
    SmtpServer,
    Subscription,
    Suppression,
    Webhook,
)
from postroom.store.outbox import open_outbox
from postroom.store.queue import Queue, Settlement
from postroom.terms.event import EventKind
from postroom.terms.outcome import DeliveryState, Outcome

pytestmark = pytest.mark.django_db(transaction=True)
LATER = NOW + timedelta(minutes=10)


def listen(*events: str) -> None:
    with transaction.atomic():
        Webhook.objects.create(name=",".join(events), url="https://app.example.com/", sealed_secret="x",
                               events=list(events))
        event_triggers.arrange()


def kinds() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("kind", flat=True))


@pytest.fixture
def queue() -> Iterator[Queue]:
    opened = open_outbox("host/1")
    yield opened.queue
    opened.close()


@pytest.fixture(autouse=True)
def no_triggers_are_left() -> Iterator[None]:
    yield
    with transaction.atomic():
        event_triggers.remove_all()


@pytest.fixture
def server(db: None) -> SmtpServer:  # noqa: ARG001
    return SmtpServer.objects.create(name="Relay", settings={"name": "Relay", "host": "relay.example.com"})


def settlement(claimed: Any, state: DeliveryState, **more: Any) -> Settlement:
    outcome = Outcome.SENT if state is DeliveryState.SENT else Outcome.DEFERRED
    return Settlement(claimed.lease, state, NOW, outcome=outcome, reply="250 ok", through=claimed.server_id, **more)


async def settled(queue: Queue, server_id: str, state: DeliveryState, **more: Any) -> list[bool]:
    claims = await queue.claim(server_id, now=LATER, lease_until=LATER + timedelta(minutes=5), limit=100)
    return await queue.settle([settlement(claimed, state, **more) for claimed in claims.claimed])


def test_a_whole_group_that_is_sent_is_counted_and_told_once_each(queue: Queue, server: SmtpServer) -> None:
    listen()
    asyncio.run(enqueued(queue, new_message(server.pk, *(f"r{n}@example.org" for n in range(60)))))
    assert asyncio.run(settled(queue, server.pk, DeliveryState.SENT)) == [True] * 60
    assert kinds() == ["message.queued"] * 60 + ["message.sent"] * 60


def test_a_settlement_that_is_refused_is_told_to_nobody(queue: Queue, server: SmtpServer) -> None:
    listen("message.sent", "message.deferred")
    asyncio.run(enqueued(queue, new_message(server.pk)))
    claims = asyncio.run(queue.claim(server.pk, now=NOW, lease_until=LATER, limit=1))
    sent = settlement(claims.claimed[0], DeliveryState.SENT)
    assert asyncio.run(queue.settle([sent])) == [True]
    assert asyncio.run(queue.settle([sent])) == [False]
    assert kinds() == ["message.sent"]


def test_what_is_given_back_untried_is_no_deferral(queue: Queue, server: SmtpServer) -> None:
    listen()
    asyncio.run(enqueued(queue, new_message(server.pk)))
    assert asyncio.run(settled(queue, server.pk, DeliveryState.DEFERRED, due_at=LATER)) == [True]
    claims = asyncio.run(queue.claim(server.pk, now=LATER, lease_until=LATER + timedelta(minutes=5), limit=1))
    asyncio.run(queue.release([claims.claimed[0].lease], LATER))
    assert kinds() == ["message.queued", "message.deferred"]


def test_an_uncertain_delivery_is_told_whether_it_waits_or_is_held(queue: Queue, server: SmtpServer) -> None:
    listen("message.uncertain", "message.held")
    asyncio.run(enqueued(queue, new_message(server.pk)))
    asyncio.run(settled(queue, server.pk, DeliveryState.UNCERTAIN, uncertain=True, due_at=LATER))
    asyncio.run(settled(queue, server.pk, DeliveryState.HELD, uncertain=True))
    Delivery.objects.update(state="queued", due_at=NOW)
    asyncio.run(settled(queue, server.pk, DeliveryState.HELD))
    assert kinds() == ["message.uncertain", "message.uncertain", "message.held"]


def test_who_wants_nothing_of_it_costs_the_queue_no_row(queue: Queue, server: SmtpServer) -> None:
    listen("alert.opened")
    asyncio.run(enqueued(queue, new_message(server.pk)))
    asyncio.run(settled(queue, server.pk, DeliveryState.SENT))
    assert kinds() == []


def test_what_people_do_is_told(server: SmtpServer) -> None:
    listen("message.queued", "message.cancelled")
    opened = open_outbox("host/1")
    accepted = asyncio.run(enqueued(opened.queue, new_message(server.pk)))
    opened.close()
    cancelled = cancel([accepted.id], "Ann")
    undo_cancel([accepted.id], "Ann", at=cancelled.at)
    Delivery.objects.update(state="failed")
    retry_now([accepted.id], "Ann")
    assert kinds() == ["message.queued", "message.cancelled", "message.queued", "message.queued"]


def test_a_change_that_is_rolled_back_was_no_event() -> None:
    listen()
    with transaction.atomic():
        Suppression.objects.create(address="ann@example.org", reason="unsubscribe", since=NOW)
        assert kinds() == ["recipient.unsubscribed"]
        transaction.set_rollback(True)
    assert kinds() == []


def test_bounces_leavings_and_alerts_are_told() -> None:
    listen()
    message = Message.objects.create(
        message_id="<1@x.example>", from_header="x", content_digest="0", content_size=1, created_at=NOW,
        expires_at=LATER,
    )
    delivery = Delivery.objects.create(
        message=message, recipient="a@b.example", state="sent", due_at=NOW, updated_at=NOW
    )
    for kind in ("failed", "complaint", "delayed", "delivered"):
        Bounce.objects.create(at=NOW, kind=kind, message=message, delivery=delivery, recipient="a@b.example",
                              way="api", digest=kind)
    Suppression.objects.create(address="a@b.example", reason="manual", since=NOW)
    Suppression.objects.create(address="a@b.example", list_name="News", reason="unsubscribe", since=NOW)
    rule = AlertRule.objects.create(kind="queue-old", severity="warning")
    alert = Alert.objects.create(rule=rule, kind="queue-old", severity="warning", opened_at=NOW, seen_at=NOW)
    Alert.objects.filter(pk=alert.pk).update(seen_at=LATER)
    Alert.objects.filter(pk=alert.pk).update(closed_at=LATER)
    assert kinds() == [
        "message.bounced", "message.complained", "recipient.unsubscribed", "alert.opened", "alert.closed",
    ]
    told = Event.objects.get(kind="message.bounced")
    assert (told.at, told.facts["delivery"], bool(told.facts["permanent"])) == (NOW, delivery.pk, False)


def test_each_step_of_a_run_is_told() -> None:
    listen()
    source = ReportSource.objects.create(name="Sales", kind="pushed")
    subscription = Subscription.objects.create(name="Weekly", source=source, list_name="Weekly")
    run = Run.objects.create(subscription=subscription, cause="manual", due_at=NOW)
    for state in ("fetching", "sending", "success", "warning", "error", "skipped", "cancelled", "cancelled"):
        Run.objects.filter(pk=run.pk).update(state=state, planned=3)
    assert [kind.removeprefix("run.") for kind in kinds()] == [
        "started", "succeeded", "warning", "failed", "skipped", "cancelled",
    ]
    told = Event.objects.latest("pk")
    assert (told.subject, told.facts["subscription"], told.facts["planned"]) == (run.pk, subscription.pk, 3)


def test_triggers_are_away_while_tables_change_and_back_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    listen()
    before = event_triggers._existing()
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(schema, "is_current", lambda: False)
    monkeypatch.setattr(schema, "call_command", lambda *_, **__: seen.append(event_triggers._existing()))
    schema.bring_up_to_date()
    assert seen == [{}]
    assert event_triggers._existing() == before


def test_triggers_that_are_right_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    listen()
    with monkeypatch.context() as patched, transaction.atomic():
        patched.setattr(event_triggers, "_drop", lambda *_: pytest.fail("a trigger was made anew"))
        event_triggers.arrange()
    assert {kind for watch in event_triggers._WATCHED for kind, _ in watch.kinds} == set(EventKind) - {EventKind.TEST}
