"""An outbox with its engine parts in this process, and a server entry that leads to a peer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from tests.outbox import Database, add_server, new_message, rows

from postroom.engine.lane import Lane
from postroom.flow.delivery.deliver import Courier
from postroom.flow.delivery.settle import Settler
from postroom.net.session import Deadlines
from postroom.policy.ports import Ports
from postroom.store.activity_log import ActivityLog
from postroom.store.blobs import Blobs
from postroom.store.content import Contents, FrozenContent
from postroom.store.database import conninfo, is_postgresql, sqlite_file
from postroom.store.models import SmtpServer
from postroom.store.outbox import open_outbox
from postroom.store.queue import Enqueued, Queue
from postroom.terms.server import Limits, Security, ServerSettings

from .running import Running

CONTENT = b"Message-ID: <m@postroom.example>\r\nSubject: Monday\r\n\r\n.\r\n..two dots\r\nend\r\n"
QUICK = Deadlines(connect_s=2, greeting_s=2, command_s=2, data_s=2, block_s=2, final_dot_s=1, tls_s=2)


@dataclass
class Outbox:
    """The parts that the engine is made of, on the test database."""

    database: Database
    data: Path
    queue: Queue
    blobs: Blobs
    log: ActivityLog
    settler: Settler
    courier: Courier
    lane: Lane | None = None

    async def server(self, port: int, limits: Limits | None = None, **values: Any) -> str:
        chosen = ServerSettings(
            name="Peer", host="127.0.0.1", port=port, security=Security.NONE, from_address="reports@example.com",
            limits=limits or Limits(), **values,
        )
        return await asyncio.to_thread(add_server, self.database, chosen)

    async def submit(
        self, server_id: str | None, *recipients: str, content: bytes = CONTENT, **values: Any
    ) -> Enqueued:
        frozen = Contents(self.blobs).kept(FrozenContent((content,)))
        new = new_message(server_id, *recipients, now=datetime.now(UTC), content=frozen, **values)
        return await self.queue.enqueue(new)

    async def open_lane(self, server_id: str) -> Lane:
        server = await SmtpServer.objects.aget(pk=server_id)
        self.lane = Lane(server, self.queue, self.courier, self.settler, asyncio.Semaphore(100), lambda: ())
        return self.lane

    def states(self) -> list[tuple[str, str]]:
        return rows(self.database, "SELECT recipient, state FROM store_delivery ORDER BY id")

    async def until(self, *states: str, one: str | None = None, within_s: float = 5.0) -> None:
        """Wait until every delivery is in one of the states, and at least one in the state `one`."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            found = {state for _, state in self.states()}
            if found <= set(states) and (one is None or one in found):
                return
            assert asyncio.get_running_loop().time() < deadline, f"still {self.states()}"
            await asyncio.sleep(0.01)


@pytest.fixture
def any_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SMTP_PORTS", Ports.parse("1-65535"), raising=False)


@pytest.fixture
def queue(transactional_db: None) -> Iterator[Queue]:  # noqa: ARG001  it makes and empties the tables
    opened = open_outbox("host/1" if is_postgresql() else "")
    yield opened.queue
    opened.close()


@pytest.fixture
async def outbox(queue: Queue, tmp_path: Path, any_port: None) -> AsyncIterator[Outbox]:  # noqa: ARG001
    blobs, log = Blobs(tmp_path / "blobs"), ActivityLog(tmp_path / "logs")
    settler = Settler(queue, log, jitter=lambda: 0.5)
    courier = Courier(queue, blobs, log, settler, default_ehlo_name="localhost", deadlines=QUICK)
    database = conninfo() if is_postgresql() else sqlite_file()
    outbox = Outbox(database, tmp_path, queue, blobs, log, settler, courier)
    yield outbox
    if outbox.lane is not None:
        await outbox.lane.stop(2.0)
    log.close()


@pytest.fixture
async def running(outbox: Outbox) -> AsyncIterator[Running]:
    running = Running(outbox)
    yield running
    await running.stop()
