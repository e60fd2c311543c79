"""Each kind of trouble, on the real way of deliveries, leaves an entry with its cause; a page says it as a sentence."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from postroom.engine import cooldown
from postroom.pages.queries.activity_rows import Row, row_of
from postroom.store.activity_reader import ActivityReader
from postroom.store.activity_shape import Criteria
from postroom.terms.server import Auth, Limits

from .conftest import Outbox
from .peer import Peer, Visit


async def entries(outbox: Outbox) -> list[tuple[dict[str, Any], Row]]:
    """The log of the last hour, newest first: each entry and its row of the page."""
    return await sync_to_async(_entries)(outbox)


def _entries(outbox: Outbox) -> list[tuple[dict[str, Any], Row]]:
    now = datetime.now(UTC)
    with ActivityReader(outbox.data / "logs", now - timedelta(hours=1), now + timedelta(minutes=1), 10.0) as log:
        return [(dict(found.entry), row_of(found, {})) for found in log.newest(Criteria(), 100)]


# What the server says at which command; then cause, severity and the outcome of the delivery.
REFUSALS = {
    "the recipient is unknown": ("RCPT", "550 5.1.1 user unknown", "recipient-unknown", "error", "failed"),
    "the mailbox is full": ("RCPT", "452 4.2.2 mailbox full", "recipient-mailbox-full", "warning", "deferred"),
    "the sender is invalid": (
        "MAIL", "553 5.1.8 sender address rejected: domain not found", "sender-domain-not-found", "error", "failed"
    ),
    "we are blocked": (
        "RCPT", "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org",
        "client-ip-on-blocklist", "error", "failed",
    ),
    "we are too fast": ("MAIL", "454 4.7.0 Throttling failure: Maximum sending rate exceeded.",
                        "sending-rate-exceeded", "warning", "deferred"),
    "the message is too large": (
        "dot", "552 5.3.4 Message size exceeds fixed limit", "message-too-large", "error", "failed"
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_leaves_an_entry_with_its_cause(outbox: Outbox, name: str) -> None:
    verb, reply, cause, severity, outcome = REFUSALS[name]

    def answer(_: Visit, line: str) -> str | None:
        return reply if line.upper().startswith(verb.upper()) else None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        await outbox.open_lane(server_id)
        await outbox.until(outcome)
    entry, row = next((e, r) for e, r in await entries(outbox) if e["kind"] == "delivery")
    assert (entry["outcome"], entry["severity"], entry["server"]) == (outcome, severity, "Peer")
    assert reply in entry["reply"]
    assert entry["code"] == int(reply[:3])
    assert entry["recipient"] == "ann@example.org"
    assert entry["cause"] == cause
    assert row.title
    assert row.finding["fix"]
    assert row.sentence == f"{outcome.capitalize()} “Monday's numbers” to ann@example.org"
    assert row.message == entry["message"]


async def test_a_server_that_does_not_answer_leaves_an_entry_of_the_connection(outbox: Outbox) -> None:
    async with Peer() as peer:
        port = peer.port
    server_id = await outbox.server(port)
    await outbox.submit(server_id, "ann@example.org")
    await outbox.open_lane(server_id)
    await outbox.until("deferred")
    found = await entries(outbox)
    entry, row = next((e, r) for e, r in found if e["kind"] == "session")
    assert (entry["stage"], entry["severity"], entry["cause"]) == ("connect", "error", "connect-refused-no-listener")
    assert row.sentence == "Session ended with an error at the stage Connect"
    assert row.title
    delivery = next(e for e, _ in found if e["kind"] == "delivery")
    assert (delivery["outcome"], delivery["cause"]) == ("deferred", entry["cause"])


async def test_a_refused_sign_in_leaves_an_entry_without_any_secret(outbox: Outbox) -> None:
    def answer(_: Visit, line: str) -> str | None:
        return "535 5.7.8 Authentication credentials invalid" if line.startswith("AUTH") else None

    async with Peer(answer) as peer:
        peer.extensions.append("AUTH PLAIN LOGIN")
        server_id = await outbox.server(
            peer.port, auth=Auth.PASSWORD, username="reports@example.com", allow_plain_auth=True
        )
        await outbox.submit(server_id, "ann@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("deferred")
    entry, row = next((e, r) for e, r in await entries(outbox) if e["kind"] == "session")
    assert (entry["stage"], entry["severity"]) == ("authenticate", "error")
    assert row.title
    assert row.finding["fix"]


async def test_a_message_over_the_servers_limit_leaves_an_entry_without_being_sent(outbox: Outbox) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port, Limits(size_bytes=10))
        await outbox.submit(server_id, "ann@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("failed")
        assert peer.taken == []
    entry, row = next((e, r) for e, r in await entries(outbox) if e["kind"] == "delivery")
    assert (entry["outcome"], entry["cause"]) == ("failed", "message-too-large")
    assert row.title


async def test_what_was_sent_says_so_in_a_sentence(outbox: Outbox) -> None:
    async with Peer() as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("sent")
        await asyncio.sleep(0)
    found = await entries(outbox)
    assert [row.sentence for _entry, row in found] == [
        "Sent “Monday's numbers” to ann@example.org", "Connection opened"
    ]
    assert [row.title for _entry, row in found] == ["", ""]


async def test_a_server_that_fails_and_works_again_says_so_once_each(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooldown, "cooldown_s", lambda *_args, **_more: 0.2)

    def answer(visit: Visit, line: str) -> str | None:
        return "421 4.3.2 closing down" if line == "greeting" and visit.number <= 3 else None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org", "bob@example.org")
        await outbox.open_lane(server_id)
        await outbox.until("sent", within_s=10.0)
        assert peer.visits >= 4
    rows = [row for entry, row in await entries(outbox) if entry["kind"] == "server"]
    assert [(row.severity, row.sentence) for row in rows] == [
        ("information", "Peer works again"), ("error", "Peer is marked failing")
    ]
    assert rows[1].title
    assert rows[1].reply.startswith("421")
