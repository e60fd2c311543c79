"""Suppression is looked up by the claim itself, in its own transaction (S8)."""

import asyncio
from datetime import timedelta

import pytest
from tests.outbox import NOW, Database, add_server, enqueued, new_message, rows

from postroom.store.ids import new_id
from postroom.store.queue import Queue


def suppress(database: Database, address: str, reason: str = "hard-bounce", list_name: str = "") -> None:
    rows(
        database,
        "INSERT INTO store_suppression (id, address, list_name, reason, since) VALUES (?, ?, ?, ?, '2026-11-22')",
        new_id(), address, list_name, reason,
    )


def claimed(queue: Queue, server: str) -> dict[str, str]:
    """Why each claimed recipient is suppressed, "" where it is not."""
    claims = asyncio.run(queue.claim(server, now=NOW, lease_until=NOW + timedelta(minutes=1), limit=100))
    return {each.recipient: each.suppressed for each in claims.claimed}


def test_s8_who_is_suppressed_after_the_message_was_accepted_is_told_by_the_claim(
    queue: Queue, database: Database
) -> None:
    server = add_server(database)
    asyncio.run(enqueued(queue, new_message(server, "ann@example.org", "Ben@example.org", "carl@example.org")))
    suppress(database, "ben@example.org")
    assert claimed(queue, server) == {"ann@example.org": "", "Ben@example.org": "hard-bounce", "carl@example.org": ""}


@pytest.mark.parametrize(
    ("list_name", "of_message", "expected"),
    [
        ("", "", "unsubscribe"), ("", "Weekly", "unsubscribe"), ("Weekly", "Weekly", "unsubscribe"),
        ("*", "Weekly", "unsubscribe"), ("*", "", ""), ("Weekly", "", ""), ("Weekly", "Daily", ""), ("Weekly", "*", ""),
    ],
)
def test_who_left_a_list_gets_what_is_not_of_that_list(
    queue: Queue, database: Database, list_name: str, of_message: str, expected: str
) -> None:
    server = add_server(database)
    suppress(database, "ann@example.org", "unsubscribe", list_name)
    asyncio.run(enqueued(queue, new_message(server, list_name=of_message)))
    assert claimed(queue, server) == {"ann@example.org": expected}
