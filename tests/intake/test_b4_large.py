"""A file of 100 MB comes in within 64 MiB of memory, and while it does the loop answers others (B4)."""

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from asgiref.sync import sync_to_async

from postroom.intake.intake import MESSAGES, Intake
from postroom.intake.uploads import BLOBS
from postroom.store.blobs import Blobs
from postroom.store.content import Contents
from postroom.store.models import Message, SmtpServer

SIZE_BYTES = 100 * 1_000_000
ALLOWED_BYTES = 64 * 1024 * 1024
BLOCKED_S = 0.05


class Watch:
    """Samples this process's memory, and how late the loop is."""

    def __init__(self) -> None:
        self.memory_bytes = _memory_bytes()
        self.late_s = 0.0
        self._task = asyncio.create_task(self._sample())

    async def _sample(self) -> None:
        while True:
            # By the processor time of this process with all its threads: other programs of the machine are not ours.
            begun, spent = time.monotonic(), time.process_time()
            await asyncio.sleep(0.002)
            late_s = min(time.monotonic() - begun - 0.002, time.process_time() - spent)
            self.late_s = max(self.late_s, late_s)
            self.memory_bytes = max(self.memory_bytes, _memory_bytes())

    def stop(self) -> None:
        self._task.cancel()


def _memory_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def pieces(digest: "hashlib._Hash") -> AsyncIterator[bytes]:
    """The file, as a client streams it."""
    block = bytes(range(256)) * 256
    left = SIZE_BYTES
    while left:
        piece = block[: min(left, len(block))]
        digest.update(piece)
        left -= len(piece)
        yield piece
        await asyncio.sleep(0)


def decoded_digest(message: Message, blobs: Path) -> str:
    """Of the file within the message, read as the engine reads it."""
    content = Contents(Blobs(blobs)).open(message.frozen_content, message.content_digest, message.content_size)
    digest, text, begun = hashlib.sha256(), b"", False
    for chunk in content.chunks():
        text += chunk
        if not begun:
            start = text.find(b"Content-Transfer-Encoding: base64\r\n\r\n")
            if start < 0:
                continue
            text, begun = text[start + 37 :], True
        end = text.find(b"--=_")
        lines = (text if end < 0 else text[:end]).replace(b"\r\n", b"")
        whole = len(lines) - len(lines) % 4
        digest.update(base64.b64decode(lines[:whole]))
        text = lines[whole:] if end < 0 else b""
        if end >= 0:
            break
    return digest.hexdigest()


async def test_b4_a_hundred_megabytes_take_little_memory_and_never_block_the_loop(
    client: httpx.AsyncClient, intake: Intake, server: SmtpServer
) -> None:
    assert server.enabled
    digest = hashlib.sha256()
    assert (await client.post(BLOBS, content=b"warm")).status_code == 201
    base_bytes, watch = _memory_bytes(), Watch()
    answer = await client.post(BLOBS, content=pieces(digest), timeout=120)
    assert answer.status_code == 201, answer.text
    body = {"to": "ann@example.com", "text": "Hello", "attachments": [{"blob": answer.json()["id"]}]}
    assert (await client.post(MESSAGES, json=body)).status_code == 202
    watch.stop()
    message = await Message.objects.select_related("content").aget()
    assert await sync_to_async(decoded_digest)(message, intake._blobs) == digest.hexdigest()
    assert watch.memory_bytes - base_bytes <= ALLOWED_BYTES
    assert watch.late_s <= BLOCKED_S


