"""D12: a stop under load, with thousands of idle sessions, is quick, says little, and loses nothing accepted."""

import contextlib
import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.outbox import rows
from tests.rig.api import Api
from tests.rig.installation import Installation, Run, running_postroom
from tests.rig.programs import free_port

from .load import Load
from .processes import SinkProcess, eventually

pytestmark = pytest.mark.crash
IDLE = 5_000
FROM_EACH_ADDRESS = 250
STOPPED_WITHIN_S = 30.0
LINES = 100


class SmtpLoad:
    """Threads that submit over SMTP without pause; `accepted` are the subjects that were answered 250."""

    def __init__(self, port: int, clients: int = 3) -> None:
        self._port = port
        self._stopping = threading.Event()
        self.accepted: list[str] = []
        self._threads = [threading.Thread(target=self._submit_on, args=(n,), daemon=True) for n in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)

    def _submit_on(self, client: int) -> None:
        number = 0
        while not self._stopping.is_set():
            with contextlib.suppress(OSError, smtplib.SMTPException), smtplib.SMTP("127.0.0.1", self._port) as session:
                while not self._stopping.is_set():
                    number += 1
                    subject = f"By SMTP {client}x{number}"
                    text = f"From: a@example.com\r\nTo: ann@example.org\r\nSubject: {subject}\r\n\r\nHello\r\n"
                    session.sendmail("a@example.com", ["ann@example.org"], text)
                    self.accepted.append(subject)
            time.sleep(0.05)


@contextlib.contextmanager
def idle_sessions(port: int) -> Iterator[list[socket.socket]]:
    """Connections that have been greeted and say nothing more, half of them after EHLO."""
    with contextlib.ExitStack() as stack:
        sessions = []
        for number in range(IDLE):
            address = (f"127.0.{1 + number // FROM_EACH_ADDRESS}.1", 0)
            session = stack.enter_context(socket.create_connection(("127.0.0.1", port), 20, source_address=address))
            sessions.append(session)
        for number, session in enumerate(sessions):
            assert session.recv(200).startswith(b"220 "), f"session {number} was not let in"
            if number % 2:
                session.sendall(b"EHLO idle.example\r\n")
        yield sessions


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    installation = Installation(
        tmp_path / "data", POSTROOM_SMTP_PORTS="1-65535", POSTROOM_SUBMISSION=f"127.0.0.1:{free_port()}",
        POSTROOM_SUBMISSION_TRUST="127.0.0.0/8",
    )
    with running_postroom(installation) as run:
        yield run


def test_d12_a_stop_under_load_with_thousands_of_idle_sessions_is_quick_quiet_and_loses_nothing(
    run: Run, tmp_path: Path
) -> None:
    sink = SinkProcess(tmp_path / "arrivals")
    api = Api(run)
    api.ask("POST", "smtp-servers", 201, {
        "name": "Sink", "host": "127.0.0.1", "port": sink.port, "security": "none", "auth": "none", "is_default": True,
        "from_address": "reports@example.com", "use_unverified": True, "reason": "test",
    })
    port = int(run.installation.environment["POSTROOM_SUBMISSION"].rpartition(":")[2])
    database = run.installation.data / "postroom.sqlite3"
    done = run.installation.command("token", "create", "load", "--scope", "send")
    loads = (Load(int(run.url.rpartition(":")[2]), done.stdout.strip(), pause_s=0.005), SmtpLoad(port))
    with idle_sessions(port) as sessions:
        for load in loads:
            load.start()
        assert eventually(lambda: rows(database, "SELECT count(*) FROM store_delivery")[0][0] > 200, 30)
        said, begun_s = len(run.lines), time.monotonic()
        status = run.stop()
        taken_s = time.monotonic() - begun_s
        farewells = sum(b"421 4.3.2" in session.recv(500) for session in sessions)
    for load in loads:
        load.stop()
    sink.close()
    assert status == 0, run.output[-3000:]
    assert taken_s < STOPPED_WITHIN_S
    assert len(run.lines) - said < LINES, run.lines[said:][:20]
    assert farewells == IDLE
    web, smtp = loads
    stored = {subject for (subject,) in rows(database, "SELECT subject FROM store_message")}
    assert set(smtp.accepted) <= stored
    assert set(web.accepted) <= {id_ for (id_,) in rows(database, "SELECT id FROM store_message")}
    assert len(smtp.accepted) > 20
    assert len(web.accepted) > 20
    left = "SELECT d.*, a.* FROM store_delivery d LEFT JOIN store_attempt a ON a.delivery_id = d.id"
    assert rows(database, f"{left} WHERE d.state = 'sending'") == []
