"""`python -m bench.queue_worker`: the queue of an installation by itself. Commands on standard input, answers in JSON.

`fill N` queues messages until N wait; `measure` answers what claiming and accepting take for each message.
"""

import asyncio
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta

import django
from django.conf import settings

os.environ["DJANGO_SETTINGS_MODULE"] = "postroom.settings"
django.setup()

from django.core.management import call_command  # noqa: E402 - Django needs its settings first

from postroom.store.content import FrozenContent  # noqa: E402
from postroom.store.ids import new_id  # noqa: E402
from postroom.store.models import Delivery, SmtpServer  # noqa: E402
from postroom.store.outbox import open_outbox  # noqa: E402
from postroom.store.queue import Claimed, NewMessage, Queue, Settlement  # noqa: E402
from postroom.terms.outcome import DeliveryState, Outcome, Stage  # noqa: E402
from postroom.terms.server import Security, ServerSettings  # noqa: E402

SIZE_BYTES = 5_000
AT_ONCE = 500
CLAIM, CLAIMS = 32, 40
ACCEPTED = 100
ACCEPTS = 20


class Worker:
    """The queue and one server of it."""

    def __init__(self, queue: Queue, server_id: str) -> None:
        self._queue, self._server_id = queue, server_id
        self._content = FrozenContent((b"Subject: Depot report\r\n\r\n" + b"y" * SIZE_BYTES + b"\r\n",))
        self._number = 0

    async def fill(self, wanted: int, have: int) -> None:
        for start in range(have, wanted, AT_ONCE):
            await self._accept(min(AT_ONCE, wanted - start))

    async def measure(self) -> dict[str, float]:
        """Microseconds a message; the queue is as deep afterwards as before. CPU is of all threads here."""
        begun = Clock()
        for _ in range(ACCEPTS):
            await self._accept(ACCEPTED)
        accept = begun.us(ACCEPTS * ACCEPTED)
        claims, ends, claimed = [], [], 0
        while claimed < ACCEPTS * ACCEPTED:
            begun = Clock()
            now = datetime.now(UTC)
            found = await self._queue.claim(
                self._server_id, now=now, lease_until=now + timedelta(seconds=60), limit=CLAIM
            )
            claims.append(begun.us(CLAIM))
            claimed += len(found.claimed)
            if not found.claimed:
                raise RuntimeError("the queue is empty")
            begun = Clock()
            await self._queue.settle([_sent(each, self._server_id) for each in found.claimed])
            ends.append(begun.us(CLAIM))
        return {
            "accept_us": accept[0], "accept_cpu_us": accept[1],
            "claim_us": _median(claims, 0), "claim_cpu_us": _median(claims, 1),
            "settle_us": _median(ends, 0), "settle_cpu_us": _median(ends, 1),
        }

    async def _accept(self, messages: int) -> None:
        await asyncio.gather(*(self._queue.enqueue(self._new()) for _ in range(messages)))

    def _new(self) -> NewMessage:
        now = datetime.now(UTC)
        self._number += 1
        return NewMessage(
            message_id=f"<{new_id()}@example.com>", reverse_path="reports@example.com",
            from_header="Reports <reports@example.com>", recipients=(f"person{self._number % 500}@example.org",),
            content=self._content, created_at=now, expires_at=now + timedelta(days=2), server_id=self._server_id,
            subject=f"Depot report {self._number}",
        )


class Clock:
    """Wall and processor time since it was made."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def us(self, messages: int) -> tuple[float, float]:
        """Microseconds a message."""
        wall_s, cpu_s = time.perf_counter() - self._wall_s, time.process_time() - self._cpu_s
        return wall_s * 1e6 / messages, cpu_s * 1e6 / messages


def _median(pairs: list[tuple[float, float]], place: int) -> float:
    return sorted(pair[place] for pair in pairs)[len(pairs) // 2]


def _sent(claimed: Claimed, server_id: str) -> Settlement:
    return Settlement(
        claimed.lease, DeliveryState.SENT, datetime.now(UTC), outcome=Outcome.SENT, stage=Stage.MESSAGE, reply_code=250,
        enhanced_code="2.0.0", reply="250 2.0.0 Ok", through=server_id,
    )


def _server() -> str:
    chosen = ServerSettings(name="Relay", host="127.0.0.1", port=25, security=Security.NONE)
    row = SmtpServer.objects.create(
        name=chosen.name, settings=chosen.as_json(), is_default=True, use_unverified=True, unverified_reason="benchmark"
    )
    return row.pk


async def _serve(server_id: str, waiting: int) -> None:
    outbox = open_outbox()
    worker = Worker(outbox.queue, server_id)
    try:
        while words := (await asyncio.to_thread(sys.stdin.readline)).split():
            if words[0] == "fill":
                await worker.fill(int(words[1]), waiting)
                waiting = max(waiting, int(words[1]))
                print(json.dumps({"waiting": waiting}), flush=True)
            else:
                print(json.dumps(await worker.measure()), flush=True)
    finally:
        outbox.close()


if __name__ == "__main__":
    assert settings.configured
    call_command("migrate", verbosity=0, interactive=False)
    asyncio.run(_serve(_server(), Delivery.objects.count()))
