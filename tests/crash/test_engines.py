"""Several engines on one PostgreSQL, as on several machines: none has what another has, and a late one changes nothing.

MESSAGES=N in the environment sets the number of messages for U5.
"""

import asyncio
import os
import random
import signal
import socketserver
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.outbox import add_server, new_message, rows
from tests.rig.installation import Installation
from tests.rig.postgresql import Cluster

from postroom.policy.database_url import DatabaseUrl
from postroom.store.content import FrozenContent
from postroom.store.database import conninfo_of
from postroom.store.outbox_postgres import PostgresOutbox
from postroom.terms.server import Security, ServerSettings

from .audit import audited, sink_arrivals, stored_deliveries
from .processes import Role, SinkProcess, eventually

pytestmark = pytest.mark.crash
ENGINES = 8
MESSAGES = int(os.environ.get("MESSAGES", "1500"))
KILLS = 12
DRAINED_WITHIN_S = 120.0
OPEN = "SELECT count(*) FROM store_delivery WHERE state IN ('queued', 'sending', 'deferred', 'uncertain')"
DUE = "UPDATE store_delivery SET due_at = created.at FROM (SELECT min(created_at) AS at FROM store_message) AS created"


@dataclass
class Site:
    """A database and what runs on it."""

    data: Path
    conninfo: str
    url: str

    def installation(self) -> Installation:
        return Installation(self.data, POSTROOM_DATABASE_URL=self.url, POSTROOM_SMTP_PORTS="1-65535")

    def submit(self, server_id: str, number: int) -> dict[str, list[str]]:
        """Enqueue so many messages; their recipients by id."""
        messages = []
        for n in range(number):
            message = new_message(server_id, f"r{n}@example.org", now=datetime.now(UTC))
            octets = f"Message-ID: {message.message_id}\r\nSubject: Figures\r\n\r\nAll are in: {n}\r\n".encode()
            content = FrozenContent((octets,))
            messages.append(new_message(
                server_id, f"r{n}@example.org", now=datetime.now(UTC), message_id=message.message_id, content=content
            ))

        async def enqueue() -> None:
            outbox = PostgresOutbox(self.conninfo)
            await asyncio.gather(*(outbox.queue.enqueue(message) for message in messages))
            await asyncio.to_thread(outbox.close)

        asyncio.run(enqueue())
        return {message.id: list(message.recipients) for message in messages}


@pytest.fixture
def site(postgresql: Cluster, postgresql_schema: str, tmp_path: Path) -> Site:
    url = postgresql.url(postgresql.create(postgresql_schema))
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    return Site(data, conninfo_of(DatabaseUrl.parse(url)), url)


def sink_settings(port: int) -> ServerSettings:
    return ServerSettings(
        name="Sink", host="127.0.0.1", port=port, security=Security.NONE, from_address="reports@example.com"
    )


def test_u5_eight_engines_that_are_killed_at_random_deliver_each_message_once_but_for_those_counted_uncertain(
    site: Site, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    sink = SinkProcess(tmp_path / "arrivals")
    server_id = add_server(site.conninfo, sink_settings(sink.port))
    engines = [Role(site.installation(), "engine", label=f"engine{n}") for n in range(ENGINES)]
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    try:
        for engine in engines:
            engine.start()
        for engine in engines:
            engine.await_ready()
        accepted = site.submit(server_id, MESSAGES)
        for _ in range(KILLS):
            time.sleep(chance.random() * 0.4)
            engine = chance.choice(engines)
            engine.kill()
            engine.start()

        def drained() -> bool:
            rows(site.conninfo, f"{DUE} WHERE state IN ('deferred', 'uncertain') AND due_at > created.at")
            return rows(site.conninfo, OPEN) == [(0,)]

        assert eventually(drained, DRAINED_WITHIN_S, 0.5), engines[0].said
        names = rows(site.conninfo, "SELECT name FROM store_instancevalue WHERE name LIKE 'engine_heartbeat:%'")
        ends = [engine.stop() for engine in engines]
    finally:
        for engine in engines:
            engine.close()
        sink.close()
    audit = audited(accepted, stored_deliveries(site.conninfo), sink_arrivals(sink.record))
    said = f"seed {seed}: {audit}"
    print(said)
    record_property("audit", said)
    assert audit.lost == (), said
    assert (audit.stored, audit.delivered) == (MESSAGES, MESSAGES), said
    assert audit.delivered_twice <= audit.uncertain, said
    assert audit.uncertain < MESSAGES / 2, said
    assert len(names) == ENGINES
    assert ends == [0] * ENGINES


class HoldingSink(socketserver.ThreadingTCPServer):
    """An SMTP server that answers the final dot of its first message only when it is told to."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.has_first, self.may_answer = threading.Event(), threading.Event()
        self.taken: Counter[str] = Counter()


class _Visit(socketserver.StreamRequestHandler):
    server: HoldingSink

    def handle(self) -> None:
        self.wfile.write(b"220 holding ESMTP\r\n")
        while line := self.rfile.readline().decode().strip():
            match line[:4].upper():
                case "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    self._take()
                case "QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                case _:
                    self.wfile.write(b"250 ok\r\n")

    def _take(self) -> None:
        content = b""
        while not content.endswith(b"\r\n.\r\n"):
            content += self.rfile.readline()
        if not self.server.has_first.is_set():
            self.server.has_first.set()
            self.server.may_answer.wait(60)
        self.server.taken[content.partition(b"\r\n")[0].decode()] += 1
        self.wfile.write(b"250 2.0.0 kept\r\n")


@pytest.fixture
def holding() -> Iterator[HoldingSink]:
    with HoldingSink() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.may_answer.set()
        server.shutdown()


class ShortLeaseEngine(Role):
    """An engine whose leases last two seconds."""

    LEASE_S = 2.0

    def arguments(self) -> list[str]:
        return [sys.executable, "-m", "tests.crash.short_lease", str(self.LEASE_S), *super().arguments()[3:]]


def fell_asleep(engine: Role, conninfo: str) -> bool:
    """Whether it was put to sleep outside a transaction; inside, others would wait half a minute for its locks."""
    engine.send(signal.SIGSTOP)
    awake = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%%'"
    if rows(conninfo, awake):
        engine.send(signal.SIGCONT)
        return False
    return True


def test_u8_an_engine_that_sleeps_for_two_leases_in_data_cannot_overwrite_the_newer_attempt(
    site: Site, holding: HoldingSink
) -> None:
    server_id = add_server(site.conninfo, sink_settings(holding.server_address[1]))
    sleeper, other = (ShortLeaseEngine(site.installation(), "engine", label=name) for name in ("sleeper", "other"))
    try:
        sleeper.start()
        sleeper.await_ready()
        site.submit(server_id, 1)
        assert holding.has_first.wait(20)
        assert eventually(lambda: fell_asleep(sleeper, site.conninfo), 20)
        other.start()
        other.await_ready()
        asleep_s = time.monotonic()
        sent = "SELECT count(*) FROM store_delivery WHERE state = 'sent'"
        due = f"{DUE} WHERE state = 'uncertain'"

        def settled() -> bool:
            rows(site.conninfo, due)
            return rows(site.conninfo, sent) == [(1,)]

        assert eventually(settled, 30), other.said
        time.sleep(max(0.0, 2 * ShortLeaseEngine.LEASE_S - (time.monotonic() - asleep_s)))
        before = rows(site.conninfo, "SELECT number, outcome, ended_at FROM store_attempt ORDER BY number")
        holding.may_answer.set()
        sleeper.send(signal.SIGCONT)
        assert eventually(lambda: "a late settlement was refused" in sleeper.said, 20), sleeper.said
        assert [(number, outcome) for number, outcome, _ in before] == [(1, "uncertain"), (2, "sent")]
        assert rows(site.conninfo, "SELECT number, outcome, ended_at FROM store_attempt ORDER BY number") == before
        assert rows(site.conninfo, "SELECT state, fence, uncertain_count FROM store_delivery") == [("sent", 2, 1)]
        assert list(holding.taken.values()) == [2]
        sleeper.stop()
        other.stop()
    finally:
        sleeper.close()
        other.close()
