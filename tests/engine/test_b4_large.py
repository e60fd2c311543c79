"""A message of 100 MB leaves within 64 MiB of memory, and while it does the engine's loop serves others (B4)."""

import asyncio
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.outbox import new_message

from postroom.store.content import BlobPart, FrozenContent

from .conftest import Outbox

ALLOWED_BYTES = 64 * 1024 * 1024
BLOCKED_S = 0.05
LINES, LINE = 1_300_000, b"QmFzZTY0IG9mIGEgbG9uZyBmaWxlLCB3aGljaCBoYXMgbm8gZG90cyBpbiBpdCBhbnl3aGVyZQ==\r\n"
HEADER = b"Subject: figures\r\nContent-Transfer-Encoding: base64\r\n\r\n"
END = b"\r\n.\r\n..two dots\r\n"


class Watch:
    """Samples this process's memory, and how late the loop is, by the processor time of this process: other programs
    of the machine are not ours."""

    def __init__(self) -> None:
        self.late_s = 0.0
        self.memory_bytes = _memory_bytes()
        self._task = asyncio.create_task(self._sample())

    async def _sample(self) -> None:
        while True:
            begun, spent = time.monotonic(), time.process_time()
            await asyncio.sleep(0.002)
            late_s = min(time.monotonic() - begun - 0.002, time.process_time() - spent)
            self.late_s = max(self.late_s, late_s)
            self.memory_bytes = max(self.memory_bytes, _memory_bytes())

    def stop(self) -> None:
        self._task.cancel()


def _memory_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.fixture
def digesting() -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.digesting"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


async def test_b4_a_hundred_megabytes_leave_within_64_mib_and_never_block_the_loop(
    outbox: Outbox, digesting: "subprocess.Popen[str]"
) -> None:
    assert digesting.stdout is not None
    server_id = await outbox.server(int(digesting.stdout.readline()))
    wanted = hashlib.sha256(HEADER)
    for _ in range(LINES):
        wanted.update(LINE)
    wanted.update(END)
    blob = outbox.blobs.put(LINE for _ in range(LINES))
    content = FrozenContent((HEADER, BlobPart(blob.digest, blob.size_bytes), END))
    assert content.size_bytes > 100_000_000
    new = new_message(server_id, "ann@example.org", now=datetime.now(UTC), content=content)
    await outbox.queue.enqueue(new)
    base_bytes, watch = _memory_bytes(), Watch()
    await outbox.open_lane(server_id)
    await outbox.until("sent", within_s=60)
    watch.stop()
    assert (await asyncio.to_thread(digesting.stdout.readline)).strip() == wanted.hexdigest()
    assert watch.memory_bytes - base_bytes <= ALLOWED_BYTES
    assert watch.late_s <= BLOCKED_S
