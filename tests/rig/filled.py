"""A database as a month of work leaves it, for measuring pages and for looking at them.

Run it against a data directory:  POSTROOM_DATA=… python -m tests.rig.filled 100000
"""

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

MEMBERS = 1_000
_BATCH = 2_000
_SUBJECTS = (
    "Delivery performance, week 10", "Driver hours, depot {place}", "Claims archive, February", "Customs holds, daily",
    "Cold chain exceptions, 12 March", "Fuel cost by depot, February", "Stock ageing, warehouse 4", "Claims summary",
    "Vendor scorecard, {place}", "Gate 3 exception", "Overdue invoices, {place}", "Temperature alarm, trailer 118",
)
_PLACES = ("Żnin", "Malmö", "Gdynia", "Odense", "Rostock", "Lille", "Tartu", "Bergen")
_DOMAINS = ("norrvik.example", "hallandmills.example", "kestrelfoods.example", "baltgate.example", "mail.example")
_TEAMS = ("ops-managers", "planning", "quality", "finance", "warehouse", "archive", "border-desk", "agents", "claims")
_CLIENTS = (("Reporting server", "report", 8), ("Payroll", "report", 2), ("Ticketing", "notification", 4),
            ("Monitoring", "alert", 1), ("Customer portal", "communication", 3))
_SERVERS = (("Microsoft 365 reports", "smtp.office365.example"), ("Amazon SES Ireland", "email-smtp.example"),
            ("Internal relay", "relay.norrvik.example"))
_FAILURES = (
    ("recipient-unknown", 550, "5.1.1", "550 5.1.1 <{recipient}>: user unknown", "recipient"),
    ("message-too-large", 552, "5.3.4", "552 5.3.4 Message size exceeds fixed limit of 25 MB", "message"),
    ("recipient-mailbox-full", 552, "5.2.2", "552 5.2.2 <{recipient}>: mailbox full", "recipient"),
    ("content-spam-rejected", 554, "5.7.1", "554 5.7.1 Message refused as spam", "message"),
)
_DEFERRALS = (
    ("sending-rate-exceeded", 454, "", "454 Throttling failure: Maximum sending rate exceeded.", "message"),
    ("recipient-greylisted", 450, "4.2.0", "450 4.2.0 <{recipient}>: greylisted, try again in 5 minutes", "recipient"),
    ("recipient-mailbox-full", 452, "4.2.2", "452 4.2.2 <{recipient}>: mailbox full", "recipient"),
)


_CONTENT = (
    b"From: Norrvik Freight <reports@norrvik.example>\r\nTo: planning@norrvik.example\r\nSubject: Claims summary\r\n"
    b"Date: Thu, 12 Mar 2026 13:52:04 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<h1>Claims summary</h1><p>On time: 96.4 %</p>\r\n"
)
# Chances of the states in a thousand; the young ones may still wait.
_ENDS = {"sent": 960, "failed": 24, "cancelled": 4, "uncertain": 1, "held": 1}
_OF_TWO_DAYS = {"deferred": 40}
_OF_MINUTES = {"queued": 400}


@dataclass(slots=True)
class _Scene:
    """What the rows refer to."""

    now: datetime
    servers: Sequence[Any]
    digest: str
    size_bytes: int
    findings: dict[str, dict[str, Any]]
    chance: random.Random


def fill(messages: int = 100_000, *, days: int = 30, now: datetime | None = None, seed: int = 1) -> None:
    """Add that many messages, accepted evenly over the days before `now`, with their deliveries and attempts.

    Most have one recipient, one in ten a handful, one in five thousand a thousand. About 96 of 100 deliveries are
    sent; those of the last two days may still wait. The rows are in the database of the present Django settings.
    """
    from postroom.store.models import Attempt, Delivery, Message

    scene = _scene(now or datetime.now(UTC), random.Random(seed))
    rows = _rows(scene, messages, days)
    while batch := list(islice(rows, _BATCH)):
        Message.objects.bulk_create([message for message, _ in batch])
        deliveries = [delivery for _, each in batch for delivery, _ in each]
        Delivery.objects.bulk_create(deliveries, batch_size=_BATCH)
        attempts = [attempt for _, each in batch for _, tries in each for attempt in tries]
        Attempt.objects.bulk_create(attempts, batch_size=_BATCH)
    _count_anew()
    _sample(scene, days)


def _count_anew() -> None:
    """The tally as the settlements of these attempts would have made it."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM store_deliverytally")
        cursor.execute(import_module("postroom.store.migrations.0005_overview").count_statement(connection.vendor))


def _sample(scene: _Scene, days: int) -> None:
    """The queue's depth as the engine would have noted it: each minute of two days, each half hour before."""
    from postroom.store.models import QueueSample

    minutes = [*range(0, 2_880), *range(2_880, days * 1_440, 30)]
    samples = []
    for ago in minutes:
        at = scene.now - timedelta(minutes=ago)
        queued = int(max(0.0, scene.chance.gauss(60 if at.hour == 6 else 6, 8)))
        samples.append(QueueSample(at=at, queued=queued, deferred=scene.chance.randrange(6), oldest_s=12.0 * queued))
    QueueSample.objects.bulk_create(samples, batch_size=_BATCH, ignore_conflicts=True)


def _scene(now: datetime, chance: random.Random) -> _Scene:
    from django.conf import settings

    from postroom.diagnosis.explain import finding_of_cause
    from postroom.store.blobs import Blobs

    blob = Blobs(Path(settings.DATA_DIR) / "blobs").put([_CONTENT])
    causes = {row[0] for row in (*_FAILURES, *_DEFERRALS)} | {"auth-smtp-auth-disabled", "connection-lost"}
    findings = {cause: finding_of_cause(cause).as_stored() for cause in causes}
    return _Scene(now, _servers(), blob.digest, blob.size_bytes, findings, chance)


def _servers() -> list[Any]:
    from postroom.store.models import SmtpServer
    from postroom.terms.server import ServerSettings

    def settings_of(name: str, host: str) -> dict[str, Any]:
        server = ServerSettings(name=name, host=host, from_name="Norrvik", from_address="reports@norrvik.example")
        return dict(server.as_json())

    return [
        SmtpServer.objects.get_or_create(
            name=name, defaults={"settings": settings_of(name, host), "position": 10 + n, "enabled": False}
        )[0]
        for n, (name, host) in enumerate(_SERVERS)
    ]


def _rows(scene: _Scene, messages: int, days: int) -> Iterator[tuple[Any, list[tuple[Any, list[Any]]]]]:
    """Each message with its deliveries and their attempts, oldest first."""
    from postroom.store.models import Message

    start, step = scene.now - timedelta(days=days), timedelta(days=days) / max(1, messages)
    for n in range(messages):
        at = start + (n + 1) * step
        name, purpose, _ = scene.chance.choices(_CLIENTS, [weight for *_, weight in _CLIENTS])[0]
        subject = scene.chance.choice(_SUBJECTS).format(place=scene.chance.choice(_PLACES))
        size_bytes = scene.chance.randrange(20_000, 4_000_000)
        message = Message(
            id=_id(scene, at), client_name=name, server=scene.chance.choice(scene.servers), subject=subject,
            message_id=f"<{_id(scene, at).lower()}@norrvik.example>", reverse_path="reports@norrvik.example",
            from_header="Norrvik Freight <reports@norrvik.example>", purpose=purpose, content_digest=scene.digest,
            content_size=scene.size_bytes, created_at=at, expires_at=at + timedelta(days=2), tags=["weekly"],
            attachments=[{"filename": "report.pdf", "content_type": "application/pdf", "size_bytes": size_bytes}],
        )
        yield message, [_delivered(scene, message, to) for to in _recipients(scene.chance, n)]


def _id(scene: _Scene, at: datetime) -> str:
    from postroom.store.ids import id_at

    return id_at(at, scene.chance.getrandbits(80))


def _recipients(chance: random.Random, number: int) -> list[str]:
    if number % 5_000 == 4_999:
        return [f"member{n}@{_DOMAINS[n % len(_DOMAINS)]}" for n in range(MEMBERS)]
    count = chance.randrange(2, 6) if number % 10 == 9 else 1
    names = {f"{chance.choice(_TEAMS)}{chance.randrange(60)}@{chance.choice(_DOMAINS)}" for _ in range(count)}
    return sorted(names)


def _delivered(scene: _Scene, message: Any, recipient: str) -> tuple[Any, list[Any]]:
    """One delivery in a state that fits its age, and its attempts."""
    from postroom.store.models import Delivery

    chance, age = scene.chance, scene.now - message.created_at
    ends = dict(_ENDS)
    if age < timedelta(days=2):
        ends |= _OF_TWO_DAYS
    if age < timedelta(minutes=20):
        ends |= _OF_MINUTES
    state = chance.choices(list(ends), list(ends.values()))[0]
    trouble = chance.choice(_FAILURES if state == "failed" else _DEFERRALS)
    cause = {"sent": "", "cancelled": "", "queued": "", "uncertain": "connection-lost", "held": "connection-lost"}
    slug = cause.get(state, trouble[0])
    usual = 2 if chance.random() < 0.05 else 1
    count = {"queued": 0, "cancelled": 0, "deferred": chance.randrange(2, 7)}.get(state, usual)
    reply = {"sent": "250 2.0.0 Ok: queued", "queued": "", "cancelled": "", "uncertain": "", "held": ""}
    delivery = Delivery(
        id=_id(scene, message.created_at), message=message, recipient=recipient, state=state, attempt_count=count,
        due_at=scene.now + timedelta(minutes=chance.randrange(1, 60)) if state == "deferred" else message.created_at,
        server=message.server, cause=slug, finding=scene.findings.get(slug), fence=count,
        last_reply=reply.get(state, trouble[3].format(recipient=recipient)),
        updated_at=min(scene.now, message.created_at + timedelta(seconds=4 + 600 * max(0, count - 1))),
    )
    return delivery, [_attempt(scene, delivery, n, trouble) for n in range(1, count + 1)]


def _attempt(scene: _Scene, delivery: Any, number: int, trouble: tuple[str, int, str, str, str]) -> Any:
    from postroom.store.models import Attempt

    at = delivery.message.created_at + timedelta(seconds=1 + 600 * (number - 1))
    last = number == delivery.attempt_count
    outcome = {"sent": "sent", "failed": "failed", "uncertain": "uncertain", "held": "uncertain"}
    ended = outcome.get(delivery.state, "deferred") if last else "deferred"
    slug, code, enhanced, text, stage = trouble if ended in ("failed", "deferred") else ("", None, "", "", "message")
    if ended == "sent":
        code, enhanced, text = 250, "2.0.0", "250 2.0.0 Ok: queued"
    if ended == "uncertain":
        slug = "connection-lost"
    return Attempt(
        id=_id(scene, at), delivery=delivery, number=number, server=delivery.server, server_name=delivery.server.name,
        started_at=at, ended_at=at + timedelta(milliseconds=scene.chance.randrange(150, 3_000)), outcome=ended,
        stage=stage, reply_code=code, enhanced_code=enhanced, reply=text.format(recipient=delivery.recipient),
        cause=slug, finding=scene.findings.get(slug),
    )


if __name__ == "__main__":
    import django

    django.setup()
    fill(int(sys.argv[1]))
