"""The page Queue and limits, and what it does."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from postroom.flow.delivery.queue_state import queue_state
from postroom.flow.servers import configure
from postroom.policy.rate import Spent
from postroom.store.models import Attempt, AuditEntry, Delivery, LaneState, Message, SendRate, SmtpServer, User
from postroom.store.rates import micros_of
from postroom.terms.server import Limits, ServerSettings


@pytest.fixture
def server(settings_of_relay: ServerSettings) -> SmtpServer:
    settings = settings_of_relay.changed(limits=Limits(messages_per_minute=30, messages_per_day=2_000, connections=2))
    return configure.save_untested(
        settings, password="secret-canary", based_on=None, server=None, reason="for a test", use_unverified=True,
        make_default=True, actor="test",
    )


def put(server: SmtpServer | None, state: str, due_at: datetime, count: int = 1, **values: Any) -> None:
    now = timezone.now()
    message = Message.objects.create(
        server=server, message_id="<m@norrvik.example>", from_header="a@norrvik.example", content_digest="0" * 64,
        content_size=5, created_at=now, expires_at=now + timedelta(days=1),
    )
    Delivery.objects.bulk_create(
        Delivery(message=message, recipient=f"r{n}@example.org", state=state, server=server, due_at=due_at,
                 updated_at=now, **values)
        for n in range(count)
    )


def text_of(page: Client) -> str:
    return " ".join(page.get("/queue").content.decode().split())


def test_it_says_what_waits_and_since_when(page: Client, server: SmtpServer) -> None:
    now = timezone.now()
    put(server, "queued", now - timedelta(minutes=3), 12)
    put(server, "deferred", now + timedelta(minutes=30), 5)
    put(server, "sending", now, 2)
    text = text_of(page)
    assert "<b>12</b>" in text
    assert "oldest due 3 min ago" in text
    assert "5 later, the next in 29 minutes" in text
    assert "2 under way" in text


def test_it_says_what_holds_mail_and_until_when(page: Client, server: SmtpServer) -> None:
    now = timezone.now()
    put(server, "queued", now)
    LaneState.objects.create(
        server=server, engine="", at=now, sessions=1, allowed=2, held_by="messages_per_minute",
        held_until=now + timedelta(seconds=30), cooldown_until=now + timedelta(minutes=4), slowed_at=now,
        slowed_reply="451 4.7.500 <b>busy</b>", rate=12.0,
    )
    spent = Spent().plus(7, Limits(messages_per_day=2_000), micros_of(now))
    SendRate.objects.create(server=server, quarters=spent.written())
    for delivery in Delivery.objects.all():
        Attempt.objects.create(delivery=delivery, number=1, server=server, started_at=now)
    text = text_of(page)
    assert "The limit of 30 messages a minute, spread evenly" in text
    assert "It failed and is left alone for a while" in text
    assert "12 messages a minute at most for now" in text
    assert "451 4.7.500 &lt;b&gt;busy&lt;/b&gt;" in text
    assert "1 of 2" in text
    assert "<b>1</b> of 30 a minute" in text
    assert "<b>7</b> of 2,000 a day" in text


def test_a_limit_that_lets_a_message_through_every_half_second_holds_the_others(server: SmtpServer) -> None:
    now = timezone.now()
    put(server, "queued", now, 5)
    LaneState.objects.create(
        server=server, engine="", at=now, held_by="messages_per_minute", held_until=now - timedelta(seconds=0.1)
    )
    assert [(queue.held_by, queue.held_until) for queue in queue_state()] == [("messages_per_minute", None)]
    LaneState.objects.update(at=now - timedelta(seconds=9))
    assert [queue.held_by for queue in queue_state()] == [""]


def test_a_row_of_an_engine_that_is_gone_counts_for_nothing(server: SmtpServer) -> None:
    LaneState.objects.create(server=server, engine="gone", at=timezone.now() - timedelta(minutes=2), sessions=2)
    assert [queue.sessions for queue in queue_state()] == [0]


def test_paused_and_switched_off_servers_say_so_and_mail_without_a_server_has_a_row(
    page: Client, server: SmtpServer
) -> None:
    put(None, "queued", timezone.now(), 3)
    SmtpServer.objects.filter(pk=server.pk).update(
        paused_at=timezone.now(), paused_until=timezone.now() + timedelta(hours=2, minutes=1)
    )
    text = text_of(page)
    assert "Paused" in text
    assert "in 2 hours" in text
    assert "No server takes deliveries: it waits for one." in text
    SmtpServer.objects.filter(pk=server.pk).update(paused_at=None, enabled=False)
    assert "Switched off" in text_of(page)


def test_what_waits_is_held_and_released_as_it_was_and_later_mail_is_not(page: Client, server: SmtpServer) -> None:
    now = timezone.now()
    put(server, "queued", now, 2)
    put(server, "deferred", now + timedelta(hours=1), 3, attempt_count=1)
    put(server, "held", now, 1)
    page.post("/queue/hold", {"server": server.pk})
    put(server, "queued", now, 1)
    states = list(Delivery.objects.values_list("state", flat=True))
    assert (states.count("held"), states.count("queued")) == (6, 1)
    text = text_of(page)
    assert "5 deliveries are held since" in text
    entry = AuditEntry.objects.get(action="queue.hold")
    page.post("/queue/release", {"hold": entry.pk})
    states = list(Delivery.objects.values_list("state", flat=True))
    assert (states.count("held"), states.count("queued"), states.count("deferred")) == (1, 3, 3)
    assert AuditEntry.objects.get(action="queue.release").changes == {"deliveries": 5}
    assert "are held since" not in text_of(page)


def test_what_waits_for_its_next_try_is_tried_at_once(page: Client, server: SmtpServer) -> None:
    put(server, "deferred", timezone.now() + timedelta(hours=1), 3)
    page.post("/queue/try-now", {"server": server.pk})
    assert not Delivery.objects.filter(due_at__gt=timezone.now()).exists()


def test_a_viewer_reads_it_and_changes_nothing(viewer: User, server: SmtpServer) -> None:
    put(server, "queued", timezone.now())
    client = Client()
    client.force_login(viewer)
    assert "Hold all that waits" not in text_of(client)
    for path in ("/queue/hold", "/queue/release", "/queue/try-now"):
        assert client.post(path).status_code == 403


def test_what_waits_is_counted_in_a_range_of_the_queues_index(server: SmtpServer) -> None:
    """What was sent, however much it is, costs the page nothing."""
    put(server, "queued", timezone.now(), 50)
    with CaptureQueriesContext(connection) as queries:
        queue_state()
    counts = [q["sql"] for q in queries.captured_queries if "store_delivery" in q["sql"] and "due_at" in q["sql"]]
    assert len(counts) >= 2
    if connection.vendor == "sqlite":
        for statement in counts:
            with connection.cursor() as cursor:
                plan = " ".join(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall())
            assert "delivery_next" in plan, plan
            assert "SCAN" not in plan, plan
