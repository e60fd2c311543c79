"""kill -9 of web, engine and sandbox at random moments under load: nothing accepted is lost (D2), and what came twice
is counted as uncertain (U1). ROUNDS=N in the environment sets the number of kills.
"""

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.outbox import NOW, add_server, copy_schema
from tests.rig.installation import Installation
from tests.rig.programs import free_port

from postroom.store.queue_sqlite import text_of
from postroom.store.writer import connect
from postroom.terms.server import Security, ServerSettings

from .audit import Audit, audited, sandbox_arrivals, sink_arrivals, stored_deliveries
from .load import Load
from .processes import Role, SinkProcess, eventually

pytestmark = pytest.mark.crash
ROUNDS = int(os.environ.get("ROUNDS", "50"))
DRAINED_WITHIN_S = 60.0


@dataclass
class Scene:
    """A running installation under load."""

    data: Path
    sink: SinkProcess
    roles: dict[str, Role]
    load: Load

    def audit(self) -> Audit:
        arrivals = sink_arrivals(self.sink.record) + sandbox_arrivals(self.data)
        return audited(self.load.accepted, stored_deliveries(self.data / "postroom.sqlite3"), arrivals)


@pytest.fixture
def scene(tmp_path: Path, db: None) -> Iterator[Scene]:  # noqa: ARG001  it makes the schema
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    database = copy_schema(data / "postroom.sqlite3")
    sink = SinkProcess(tmp_path / "arrivals")
    settings = ServerSettings(
        name="Sink", host="127.0.0.1", port=sink.port, security=Security.NONE, from_address="reports@example.com"
    )
    add_server(database, settings)
    installation = Installation(data, POSTROOM_SMTP_PORTS="1-65535")
    token = installation.command("token", "create", "load", "--scope", "send")
    assert token.returncode == 0, token.stderr
    port = free_port()
    roles = {
        "web": Role(installation, "web", "--port", str(port)),
        "engine": Role(installation, "engine"),
        "sandbox": Role(installation, "sandbox"),
    }
    for role in roles.values():
        role.start()
    for role in roles.values():
        role.await_ready()
    yield Scene(data, sink, roles, Load(port, token.stdout.strip()))
    for role in roles.values():
        role.close()
    sink.close()


def test_what_was_accepted_survives_kills_at_random_moments(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    assert eventually(lambda: is_verified(scene.data, "Sandbox"), 10)
    scene.load.start()
    kills = dict.fromkeys(scene.roles, 0)
    began = time.monotonic()
    for number in range(ROUNDS):
        # The sandbox is spared near the end: after a fault its lane waits, and so would the drain.
        names = ["web", "engine", "sandbox"] if number < ROUNDS * 2 // 3 else ["web", "engine"]
        role = scene.roles[chance.choice(names)]
        time.sleep(chance.random() * 0.7)
        role.kill()
        kills[role.name] += 1
        role.start()
        if chance.random() < 0.8:
            role.await_ready()
    for role in scene.roles.values():
        role.kill()
        role.start()
    for role in scene.roles.values():
        role.await_ready()
    seconds = time.monotonic() - began
    scene.load.stop()
    drain(scene)
    audit = scene.audit()
    said = f"seed {seed}, {kills}, {scene.load.repeats} repeats, {seconds:.0f} s: {audit}"
    print(said)
    record_property("audit", said)
    assert not scene.load.refused, said
    assert audit.accepted > 10 * ROUNDS, said
    assert audit.lost == (), said
    assert audit.delivered_twice <= audit.uncertain, said
    assert set(audit.states) <= {"sent", "held"}, said
    assert audit.states["sent"] > 0.9 * audit.stored, said
    assert is_whole(scene.data / "postroom.sqlite3")
    show_that_the_audit_sees(scene)


def drain(scene: Scene) -> None:
    """Let everything leave that waits: what waits for its next attempt is made due now, as an operator may."""
    database = scene.data / "postroom.sqlite3"

    def drained() -> bool:
        connection = connect(database)
        connection.execute(
            "UPDATE store_delivery SET due_at = ? WHERE state IN ('deferred', 'uncertain') AND due_at > ?",
            (text_of(NOW.replace(year=2000)), text_of(NOW.replace(year=2000))),
        )
        waiting = connection.execute(
            "SELECT count(*) FROM store_delivery WHERE state IN ('queued', 'sending', 'deferred', 'uncertain')"
        ).fetchone()[0]
        connection.close()
        return bool(waiting == 0)

    assert eventually(drained, DRAINED_WITHIN_S, 0.5), f"{scene.audit()}\n{scene.roles['engine'].said}"
    ends = {name: role.stop() for name, role in scene.roles.items()}
    assert (ends["engine"], ends["sandbox"]) == (0, 0)


def show_that_the_audit_sees(scene: Scene) -> None:
    """The control: the same records, doctored. An audit that passes them would prove nothing."""
    stored = stored_deliveries(scene.data / "postroom.sqlite3")
    arrivals = sink_arrivals(scene.sink.record) + sandbox_arrivals(scene.data)
    accepted = scene.load.accepted
    gone = next(iter(accepted))
    sent_once = next(d for d in stored if d.state == "sent" and arrivals.count((d.message_id, d.recipient)) == 1)
    arrival = (sent_once.message_id, sent_once.recipient)
    assert not audited(accepted, [d for d in stored if d.message != gone], arrivals).holds
    assert not audited(accepted, stored, [a for a in arrivals if a != arrival]).holds
    certain = [replace(d, uncertain_count=0) for d in stored]
    assert not audited(accepted, certain, [*arrivals, arrival]).holds


def is_verified(data: Path, name: str) -> bool:
    connection = sqlite3.connect(data / "postroom.sqlite3")
    row = connection.execute("SELECT verified_fingerprint FROM store_smtpserver WHERE name = ?", (name,)).fetchone()
    connection.close()
    return bool(row and row[0])


def is_whole(database: Path) -> bool:
    connection = sqlite3.connect(database)
    answer = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return bool(answer == ("ok",))
