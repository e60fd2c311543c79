"""A full disk (D5) and a locked database (D6), with the real processes."""

import http.client
import json
import os
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.outbox import add_server, copy_schema, rows
from tests.peers import missing
from tests.rig.installation import Installation
from tests.rig.programs import free_port

from postroom.store.write_lock import WAIT_S, WriteLock
from postroom.terms.server import Security, ServerSettings

from .audit import audited, sink_arrivals, stored_deliveries
from .processes import Role, SinkProcess, eventually

pytestmark = pytest.mark.crash
DISK_MIB = 16
HELD_S = WAIT_S + 10
CLIENTS = 4


@dataclass
class Site:
    data: Path
    port: int
    token: str
    roles: dict[str, Role]
    sink: SinkProcess

    @property
    def database(self) -> Path:
        return self.data / "postroom.sqlite3"

    def post(self, text: str, key: str = "", within_s: float = 60.0) -> tuple[int, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=within_s)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        body = {"to": ["ann@example.org"], "subject": "Figures", "text": text}
        try:
            keyed = {"Idempotency-Key": key or str(uuid.uuid4())}
            connection.request("POST", "/api/v1/messages", json.dumps(body), headers | keyed)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def states(self) -> Counter[str]:
        return Counter(state for (state,) in rows(self.database, "SELECT state FROM store_delivery"))

    def show_all_sent(self, accepted: list[str], within_s: float = 60.0) -> None:
        done = eventually(lambda: set(self.states()) <= {"sent"} and len(self.states()) > 0, within_s, 0.2)
        audit = audited(
            {id_: ["ann@example.org"] for id_ in accepted}, stored_deliveries(self.database),
            sink_arrivals(self.sink.record),
        )
        assert done, f"{audit}\n{self.roles['engine'].said}"
        assert audit.lost == (), audit
        assert audit.delivered_twice <= audit.uncertain, audit


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        missing("a small file system may not be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def opened(tmp_path: Path, db: None) -> Iterator[ExitStack]:  # noqa: ARG001  it makes the schema
    with ExitStack() as stack:
        yield stack


def site_on(folder: Path, tmp_path: Path, opened: ExitStack, *started: str) -> Site:
    data = folder / "data"
    data.mkdir(mode=0o700)
    database = copy_schema(data / "postroom.sqlite3")
    sink = SinkProcess(tmp_path / "arrivals")
    opened.callback(sink.close)
    add_server(database, ServerSettings(
        name="Sink", host="127.0.0.1", port=sink.port, security=Security.NONE, from_address="reports@example.com"
    ))
    installation = Installation(data, POSTROOM_SMTP_PORTS="1-65535")
    token = installation.command("token", "create", "load", "--scope", "send")
    assert token.returncode == 0, token.stderr
    port = free_port()
    roles = {"web": Role(installation, "web", "--port", str(port)), "engine": Role(installation, "engine")}
    for role in roles.values():
        opened.callback(role.close)
    for name in started:
        roles[name].start()
        roles[name].await_ready()
    return Site(data, port, token.stdout.strip(), roles, sink)


@pytest.mark.parametrize("size", [400, 90_000], ids=["in the database", "in files"])
def test_d5_a_full_disk_refuses_new_mail_and_lets_the_queue_drain(
    disk: Path, tmp_path: Path, opened: ExitStack, size: int
) -> None:
    site = site_on(disk, tmp_path, opened, "web")
    ballast = disk / "ballast"
    free_bytes = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    ballast.write_bytes(b"x" * max(0, free_bytes - 6 * 1024 * 1024))
    accepted: list[str] = []
    while True:
        status, answer = site.post(f"{len(accepted)} " + "x" * size)
        if status != 202:
            break
        accepted.append(answer["id"])
        assert len(accepted) < 20_000
    assert status == 507, answer
    assert answer["type"].endswith("storage-full")
    assert len(accepted) > 10
    site.roles["engine"].start()
    site.roles["engine"].await_ready()
    site.show_all_sent(accepted)
    assert site.post("still full " + "x" * size)[0] == 507
    ballast.unlink()
    assert eventually(lambda: site.post("free again " + "x" * size)[0] == 202, 5)


def test_d6_a_locked_database_is_waited_for_within_bounds_and_work_goes_on_at_once(
    tmp_path: Path, opened: ExitStack
) -> None:
    site = site_on(tmp_path, tmp_path, opened, "web", "engine")
    answers: list[tuple[float, float, int, str]] = []
    stopping = threading.Event()

    def submit(client: int) -> None:
        number = 0
        while not stopping.is_set():
            number, began_s = number + 1, time.monotonic()
            status, answer = site.post(f"{client} {number}", key=f"{client}x{number}")
            answers.append((began_s, time.monotonic(), status, answer.get("id", "")))
            time.sleep(0.05)

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: site.states()["sent"] > 20, 20)
    lock = WriteLock(site.database)
    lock.acquire()
    locked_s = time.monotonic()
    try:
        time.sleep(HELD_S)
    finally:
        released_s = time.monotonic()
        lock.release()
    time.sleep(3.0)
    stopping.set()
    for thread in threads:
        thread.join(70)
    # Whatever was under way as the lock was taken may have come through just before.
    within = [(ended - began, status) for began, ended, status, _ in answers if locked_s + 1 < ended < released_s]
    assert {status for _, status in within} == {503}
    assert max(waited for waited, _ in within) < WAIT_S + 2
    taken_after_s = min(ended for _, ended, status, _ in answers if ended >= released_s and status == 202) - released_s
    assert taken_after_s < 1
    assert {status for began, _, status, _ in answers if began > released_s + 1} == {202}
    # What was under way as the lock was taken may have to wait for the end of its lease.
    site.show_all_sent([id_ for *_, status, id_ in answers if status == 202], within_s=100.0)
    # Nothing had been claimed that could not be settled: no attempt was lost.
    assert rows(site.database, "SELECT count(*) FROM store_attempt WHERE outcome <> 'sent'") == [(0,)]
