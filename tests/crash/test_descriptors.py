"""B15: a process that has no descriptors left refuses, goes on with what it has, and recovers by itself."""

import asyncio
import contextlib
import http.client
import json
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.outbox import rows
from tests.rig.api import Api
from tests.rig.installation import Installation, Run, running_postroom
from tests.rig.programs import free_port

from .processes import eventually

pytestmark = pytest.mark.crash
DESCRIPTORS = 64
CALLERS = 150
SERVERS, SESSIONS, MESSAGES = 3, 30, 60
# More than the door's files may be in the queue; base64 of this is a file of its own.
ATTACHMENT_CHARACTERS = 400_000


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    installation = Installation(
        tmp_path / "data", POSTROOM_SMTP_PORTS="1-65535", POSTROOM_SUBMISSION=f"127.0.0.1:{free_port()}",
        POSTROOM_SUBMISSION_TRUST="127.0.0.0/8",
    )
    with running_postroom(installation) as run:
        yield run


def limited(run: Run, role: str) -> int:
    """Leave a running process `DESCRIPTORS`; its id."""
    process_id = run.children()[role]
    resource.prlimit(process_id, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    return process_id


@contextlib.contextmanager
def occupied(port: int, process_id: int) -> Iterator[None]:
    """Callers who say nothing, more than there are descriptors for."""
    with contextlib.ExitStack() as stack:
        for _ in range(CALLERS):
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), 2))
        assert eventually(lambda: len(os.listdir(f"/proc/{process_id}/fd")) >= DESCRIPTORS - 2, 5)
        yield


def computed_s(process_id: int) -> float:
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Caller:
    """A client that keeps its connection, as one does that came in good time."""

    def __init__(self, run: Run) -> None:
        done = run.installation.command("token", "create", "early", "--scope", "send")
        self._token, self._port = done.stdout.strip(), int(run.url.rpartition(":")[2])
        self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)

    def post(self, **more: Any) -> int:
        body = {"to": ["ann@example.org"], "subject": "Figures", "text": "Hello\n", **more}
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        self._connection.request("POST", "/api/v1/messages", json.dumps(body), headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


def test_b15_the_web_process_refuses_and_recovers(run: Run) -> None:
    caller = Caller(run)
    assert caller.post() == 202
    process_id, said = limited(run, "web"), len(run.lines)
    port, file = int(run.url.rpartition(":")[2]), {
        "filename": "a.bin", "content_type": "application/octet-stream", "content_base64": "A" * ATTACHMENT_CHARACTERS,
    }
    with occupied(port, process_id):
        answered = [caller.post(attachments=[file]) for _ in range(3)]
        before_s = computed_s(process_id)
        time.sleep(1)
        assert computed_s(process_id) - before_s < 0.5, "it is busy with refusing"
    assert set(answered) <= {202, 500, 503, 507}
    stored = rows(run.installation.data / "postroom.sqlite3", "SELECT count(*) FROM store_message")[0][0]
    assert stored == 1 + answered.count(202)
    assert eventually(lambda: caller_is_answered(run), 10), "it did not recover"
    assert caller.post(attachments=[file]) == 202
    assert len(run.lines) - said < 100
    assert run.children()["web"] == process_id, "it is the same process"


def caller_is_answered(run: Run) -> bool:
    try:
        return Caller(run).post() == 202
    except (OSError, http.client.HTTPException):
        return False


def greeting(port: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), 3) as session:
            return session.recv(200)
    except OSError:
        return b""


def test_b15_the_submission_door_refuses_and_recovers(run: Run) -> None:
    port = int(run.installation.environment["POSTROOM_SUBMISSION"].rpartition(":")[2])
    process_id, said = limited(run, "submission"), len(run.lines)
    with socket.create_connection(("127.0.0.1", port), 5) as early, early.makefile("rb") as heard:
        assert heard.readline().startswith(b"220 ")
        with occupied(port, process_id):
            assert not greeting(port).startswith(b"220")
            early.sendall(b"EHLO early.example\r\n")
            assert heard.readline().startswith(b"250-"), "who came in time is served"
    assert eventually(lambda: greeting(port).startswith(b"220 "), 10), "it did not recover"
    assert len(run.lines) - said < 100
    assert run.children()["submission"] == process_id


class SlowServers:
    """SMTP servers that take their time with each message, on an event loop of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.taken = 0

    def open(self) -> int:
        """The port of one more."""
        started = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._visit, "127.0.0.1", 0), self._loop)
        return int(started.result(10).sockets[0].getsockname()[1])

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(b"220 slow ESMTP\r\n")
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    await reader.readuntil(b"\r\n.\r\n")
                    await asyncio.sleep(0.1)
                    self.taken += 1
                writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
        writer.close()


def test_b15_the_engine_goes_on_with_the_sessions_it_has(run: Run) -> None:
    """More sessions are allowed than there are descriptors: no server is blamed, no delivery is lost, nothing hangs."""
    api, peers = Api(run), SlowServers()
    for number in range(SERVERS):
        api.ask("POST", "smtp-servers", 201, {
            "name": f"Server {number}", "host": "127.0.0.1", "port": peers.open(), "security": "none", "auth": "none",
            "from_address": "reports@example.com", "use_unverified": True, "reason": "test",
            "is_default": number == 0, "limits": {"connections": SESSIONS},
        })
    process_id = limited(run, "engine")
    for number in range(SERVERS):
        one = {"to": ["ann@example.org"], "subject": "Figures", "text": "Hello\n", "server": f"Server {number}"}
        api.ask("POST", "messages/batch", 202, {"messages": [one] * MESSAGES})
    states = "SELECT state, count(*) FROM store_delivery GROUP BY state"
    database = run.installation.data / "postroom.sqlite3"
    wanted = [("sent", SERVERS * MESSAGES)]
    assert eventually(lambda: rows(database, states) == wanted, 90, 0.5), (rows(database, states), run.lines[-5:])
    assert rows(database, "SELECT count(*) FROM store_smtpserver WHERE failing_since IS NOT NULL") == [(0,)]
    otherwise = "SELECT outcome, stage, reply, count(*) FROM store_attempt WHERE outcome <> 'sent' GROUP BY 1, 2, 3"
    assert rows(database, otherwise) == []
    assert peers.taken == SERVERS * MESSAGES
    assert run.children()["engine"] == process_id, run.output[-5000:]
    peers.close()
