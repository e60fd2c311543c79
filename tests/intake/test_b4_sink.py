"""A file of 100 MB through HTTP, queue and SMTP: the same octets arrive, and no process grows by over 64 MiB (B4)."""

import asyncio
import base64
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.rig.api import Api
from tests.rig.installation import Installation, Run, running_postroom

SIZE_BYTES = 100 * 1_000_000
ALLOWED_BYTES = 64 * 1024 * 1024
BLOCK = bytes(range(256)) * 256
ARRIVED_WITHIN_S = 120


class Sink:
    """An SMTP server that decodes the one attachment of a message as it comes and keeps its digest alone."""

    def __init__(self) -> None:
        self.port, self.digest = 0, ""
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._visit, "127.0.0.1", 0, limit=1 << 20))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink ESMTP\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self.digest = await _attachment_digest(reader)
            writer.write(b"250-sink\r\n250 SIZE 0\r\n" if verb == b"EHLO" else b"250 2.0.0 ok\r\n")
            await writer.drain()
        writer.close()


async def _attachment_digest(reader: asyncio.StreamReader) -> str:
    digest, inside = hashlib.sha256(), False
    encoded: list[bytes] = []
    while (line := await reader.readline()) != b".\r\n":
        if line == b"Content-Transfer-Encoding: base64\r\n":
            inside = (await reader.readline()) == b"\r\n"
        elif line.startswith(b"--=_"):
            inside = False
        elif inside:
            encoded.append(line)
        if encoded and (not inside or len(encoded) >= 4_000):
            digest.update(base64.b64decode(b"".join(encoded)))
            encoded.clear()
    return digest.hexdigest()


class Watch:
    """The largest memory of some processes while it watches."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self.base = {role: _memory_bytes(pid) for role, pid in pids.items()}
        self.most = dict(self.base)
        self._over = threading.Event()
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while not self._over.wait(0.01):
            for role, pid in self._pids.items():
                self.most[role] = max(self.most[role], _memory_bytes(pid))

    def growth(self) -> dict[str, int]:
        self._over.set()
        return {role: self.most[role] - self.base[role] for role in self._pids}


def _memory_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def _pieces(digest: "hashlib._Hash") -> Iterator[bytes]:
    left = SIZE_BYTES
    while left:
        piece = BLOCK[: min(left, len(BLOCK))]
        digest.update(piece)
        left -= len(piece)
        yield piece


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Run]:
    installation = Installation(tmp_path_factory.mktemp("large") / "data", POSTROOM_SMTP_PORTS=str(sink.port))
    with running_postroom(installation) as run:
        yield run


def test_b4_a_hundred_megabytes_reach_the_next_server_unchanged(run: Run, sink: Sink) -> None:
    api = Api(run)
    api.ask("POST", "smtp-servers", 201, {
        "name": "Sink", "host": "127.0.0.1", "port": sink.port, "security": "none", "auth": "none",
        "from_address": "reports@company.example", "use_unverified": True, "reason": "test", "is_default": True,
    })
    api.ask("POST", "messages", 202, {"to": "ann@company.example", "text": "Hello"})
    children, digest = run.children(), hashlib.sha256()
    watch = Watch({role: children[role] for role in ("web", "engine")})
    token = run.installation.command("token", "create", "large", "--scope", "send").stdout.strip()
    with httpx.Client(base_url=run.url, headers={"Authorization": f"Bearer {token}"}, timeout=120) as client:
        uploaded = client.post("/api/v1/blobs", content=_pieces(digest))
        assert uploaded.status_code == 201, uploaded.text
        attachment = {"filename": "large.bin", "blob": uploaded.json()["id"]}
        body = {"to": "ann@company.example", "text": "Hello", "attachments": [attachment]}
        assert client.post("/api/v1/messages", json=body).status_code == 202
    deadline = time.monotonic() + ARRIVED_WITHIN_S
    while sink.digest != digest.hexdigest():
        assert time.monotonic() < deadline, f"{sink.digest} arrived"
        time.sleep(0.1)
    growth = watch.growth()
    assert max(growth.values()) <= ALLOWED_BYTES, growth
