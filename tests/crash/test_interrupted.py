"""kill -9 at the moments that matter: among the recipients of one message (D8), among equal requests (U4), and between
a claim and what it was made for (U9).
"""

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.outbox import add_server, copy_schema, rows
from tests.rig.installation import Installation
from tests.rig.programs import free_port

from postroom.flow.delivery.settle import PROMPT_ATTEMPTS
from postroom.terms.server import Limits, Security, ServerSettings

from .audit import audited, sink_arrivals, stored_deliveries
from .processes import Role, SinkProcess, eventually

pytestmark = pytest.mark.crash
RECIPIENTS = 1_000
READERS = 300
POSTS = 50


@dataclass
class Site:
    """An installation whose processes the test starts and kills."""

    database: Path
    installation: Installation
    port: int
    token: str
    roles: dict[str, Role]

    def start(self, *names: str) -> None:
        for name in names:
            self.roles[name].start()
        for name in names:
            self.roles[name].await_ready()

    def post(self, body: Any, key: str = "", *, path: str = "messages", within_s: float = 60.0) -> tuple[int, Any]:
        """Repeat a request until it is answered otherwise than by a process that is gone."""
        give_up = time.monotonic() + within_s
        while True:
            try:
                return self._post(body, key, path)
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < give_up, "no process answered"
                time.sleep(0.05)

    def _post(self, body: Any, key: str, path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            keyed = {"Idempotency-Key": key} if key else {}
            connection.request("POST", f"/api/v1/{path}", json.dumps(body), headers | keyed)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def states(self) -> Counter[str]:
        return Counter(state for (state,) in rows(self.database, "SELECT state FROM store_delivery"))


@pytest.fixture
def site(tmp_path: Path, db: None) -> Iterator[Site]:  # noqa: ARG001  it makes the schema
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    database = copy_schema(data / "postroom.sqlite3")
    installation = Installation(data, POSTROOM_SMTP_PORTS="1-65535")
    token = installation.command("token", "create", "tests", "--scope", "send")
    assert token.returncode == 0, token.stderr
    port = free_port()
    roles = {"web": Role(installation, "web", "--port", str(port)), "engine": Role(installation, "engine")}
    yield Site(database, installation, port, token.stdout.strip(), roles)
    for role in roles.values():
        role.close()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[SinkProcess]:
    sink = SinkProcess(tmp_path / "arrivals")
    yield sink
    sink.close()


def lead_to(site: Site, port: int, **limits: int) -> str:
    return add_server(
        site.database,
        ServerSettings(
            name="Sink", host="127.0.0.1", port=port, security=Security.NONE, from_address="reports@example.com",
            limits=Limits(**limits),
        ),
    )


def killed_among(site: Site, sink: SinkProcess, places: tuple[int, ...]) -> int:
    """Kill the engine each time that the sink has so many; how often some were still to come then."""
    in_the_middle, wanted = 0, site.states().total()
    for place in places:
        assert eventually(lambda place=place: len(sink_arrivals(sink.record)) >= place, 30, 0.005)
        site.roles["engine"].kill()
        in_the_middle += 0 < site.states()["sent"] < wanted
        site.start("engine")
    assert eventually(lambda: set(site.states()) == {"sent"}, 60), site.states()
    return in_the_middle


def interrupt(site: Site, name: str, after_s: float) -> None:
    """Kill a process, and start it again."""
    time.sleep(after_s)
    site.roles[name].kill()
    site.start(name)


def holds(site: Site, sink: SinkProcess, accepted: dict[str, list[str]]) -> None:
    """Everybody has it, and whoever has it twice is counted as uncertain."""
    assert site.roles["engine"].stop() == 0
    audit = audited(accepted, stored_deliveries(site.database), sink_arrivals(sink.record))
    print(audit)
    assert audit.lost == ()
    assert audit.delivered == audit.accepted
    assert audit.delivered_twice <= audit.uncertain


def test_d8_a_kill_in_the_middle_of_a_thousand_recipients_skips_nobody(site: Site, sink: SinkProcess) -> None:
    lead_to(site, sink.port, recipients_per_message=20, connections=2)
    recipients = [f"reader{n}@example.org" for n in range(RECIPIENTS)]
    site.start("web")
    status, message = site.post({"to": recipients[:500], "bcc": recipients[500:], "subject": "All", "text": "Hello\n"})
    assert status == 202, message
    site.start("engine")
    assert killed_among(site, sink, (60, 300, 620)) >= 2
    holds(site, sink, {message["id"]: recipients})


def test_d8_a_kill_in_the_middle_of_a_report_to_many_skips_no_reader(site: Site, sink: SinkProcess) -> None:
    """Both processes: the one that takes the report for each reader, and the one that delivers it."""
    lead_to(site, sink.port, connections=2)
    site.start("web", "engine")
    readers = [f"reader{n}@example.org" for n in range(READERS)]
    accepted: dict[str, list[str]] = {}
    interruption = threading.Thread(target=interrupt, args=(site, "web", 0.05))
    interruption.start()
    for start in range(0, READERS, 50):
        group = readers[start : start + 50]
        bodies = [{"to": [reader], "subject": "Report", "text": "Figures\n"} for reader in group]
        status, answer = site.post({"messages": bodies}, f"fan-out {start}", path="messages/batch")
        assert status == 202, answer
        accepted |= {message["id"]: [reader] for reader, message in zip(group, answer["messages"], strict=True)}
    interruption.join()
    killed_among(site, sink, (20, 150))
    assert len(accepted) == site.states().total() == READERS
    holds(site, sink, accepted)


def test_u4_fifty_equal_requests_with_a_kill_between_are_one_message(site: Site, sink: SinkProcess) -> None:
    lead_to(site, sink.port)
    site.start("web")
    body = {"to": ["ann@example.org"], "subject": "Once", "text": "Only once.\n"}
    begun = threading.Barrier(POSTS + 1)

    def submit(_number: int) -> tuple[int, Any]:
        begun.wait(30)
        return site.post(body, "one key")

    with ThreadPoolExecutor(POSTS) as pool:
        answers = [pool.submit(submit, number) for number in range(POSTS)]
        begun.wait(30)
        time.sleep(0.03)
        site.roles["web"].kill()
        unanswered = sum(not answer.done() for answer in answers)
        site.start("web")
        heard = [answer.result(60) for answer in answers]
    assert unanswered, "the kill came too late to prove anything"
    assert {status for status, _ in heard} == {202}
    assert len({answer["id"] for _, answer in heard}) == 1
    assert rows(site.database, "SELECT count(*) FROM store_message") == [(1,)]
    assert site.post({**body, "text": "Something else.\n"}, "one key")[0] == 409
    site.start("engine")
    assert eventually(lambda: set(site.states()) == {"sent"}, 20)
    assert site.roles["engine"].stop() == 0
    assert [recipient for _, recipient in sink_arrivals(sink.record)] == ["ann@example.org"]


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port where a connection is never taken: whoever dials it waits."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for caller in (first, second):
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])


def test_u9_what_was_claimed_when_the_engine_was_killed_waits_its_turn(
    site: Site, deaf_port: int, record_property: Callable[[str, object], None]
) -> None:
    lead_to(site, deaf_port)
    site.start("web")
    status, _ = site.post({"to": ["ann@example.org"], "subject": "Poison", "text": "Hello\n"})
    assert status == 202
    attempts = "SELECT number, ended_at, outcome FROM store_attempt ORDER BY number"
    for number in range(1, PROMPT_ATTEMPTS + 2):
        site.start("engine")
        assert eventually(lambda: site.states()["sending"] == 1, 15, 0.01), site.states()
        site.roles["engine"].kill()
        found = rows(site.database, attempts)
        assert [row[0] for row in found] == list(range(1, number + 1))
        assert found[-1][1] is None, "it was claimed, and the attempt has not ended"
    site.start("engine")
    assert eventually(lambda: site.states()["sending"] == 0, 15, 0.01), site.states()
    [(due_at,)] = rows(site.database, "SELECT due_at FROM store_delivery")
    wait_s = (datetime.fromisoformat(due_at).replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    record_property("wait_s", wait_s)
    assert wait_s > 60, "after several kills it is not what an engine begins with"
    time.sleep(2.5)
    assert len(rows(site.database, attempts)) == PROMPT_ATTEMPTS + 1
    assert all(row[2] == "uncertain" for row in rows(site.database, attempts))
