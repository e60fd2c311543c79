"""kill -9 of web, engine and sandbox at random moments under load: nothing accepted is lost (D2), and what came twice
is counted as uncertain (U1); on PostgreSQL its server is killed, too. ROUNDS=N in the environment sets the number of
kills.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.outbox import NOW, Database, add_server, copy_schema, rows
from tests.rig.installation import Installation
from tests.rig.postgresql import Cluster
from tests.rig.programs import free_port

from postroom.policy.database_url import DatabaseUrl
from postroom.store.database import conninfo_of
from postroom.store.times_sqlite import text_of
from postroom.terms.server import Security, ServerSettings

from .audit import Arrival, Audit, audited, sandbox_arrivals, sink_arrivals, stored_deliveries
from .load import Load
from .processes import DatabaseServer, Role, SinkProcess, eventually

pytestmark = pytest.mark.crash
# Unless ROUNDS says otherwise.
USUAL_ROUNDS = {"sqlite": 12, "postgresql": 6}
# Longer than a lease: a claim whose commit was not confirmed is taken up when its lease is over.
DRAINED_WITHIN_S = 120.0


@dataclass
class Scene:
    """A running installation under load. `rounds` is how often something is to be killed."""

    data: Path
    database: Database
    rounds: int
    sinks: list[SinkProcess]
    roles: dict[str, Role]
    load: Load
    server: DatabaseServer | None = None

    @property
    def arrivals(self) -> list[Arrival]:
        in_sinks = [arrival for sink in self.sinks for arrival in sink_arrivals(sink.record)]
        return in_sinks + sandbox_arrivals(self.database, self.data)

    def audit(self) -> Audit:
        return audited(self.load.accepted, stored_deliveries(self.database), self.arrivals)

    def restart(self) -> None:
        for role in self.roles.values():
            role.kill()
            role.start()
        for role in self.roles.values():
            role.await_ready()


@pytest.fixture(params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path, db: None) -> Iterator[Scene]:  # noqa: ARG001  it makes the schema
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    environment, server = {"POSTROOM_SMTP_PORTS": "1-65535"}, None
    if request.param == "sqlite":
        database: Database = copy_schema(data / "postroom.sqlite3")
    else:
        cluster: Cluster = request.getfixturevalue("postgresql")
        url = cluster.url(cluster.create(request.getfixturevalue("postgresql_schema")))
        database, server = conninfo_of(DatabaseUrl.parse(url)), DatabaseServer(cluster)
        environment["POSTROOM_DATABASE_URL"] = url
    sink = SinkProcess(tmp_path / "arrivals")
    add_sink(database, "Sink", sink.port)
    installation = Installation(data, **environment)
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
    rounds = int(os.environ.get("ROUNDS", USUAL_ROUNDS[request.param]))
    scene = Scene(data, database, rounds, [sink], roles, Load(port, token.stdout.strip()), server)
    yield scene
    for role in roles.values():
        role.close()
    for sink in scene.sinks:
        sink.close()


def test_what_was_accepted_survives_kills_at_random_moments(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    said = killed_under_load(scene, scene.rounds)
    scene.restart()
    scene.load.stop()
    drain(scene)
    record_property("audit", shown_whole(scene, scene.rounds, said))
    show_that_the_audit_sees(scene)


def test_what_was_accepted_survives_kills_while_it_moves_from_a_dead_server_to_the_next(
    scene: Scene, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    rounds, port = max(scene.rounds // 3, 4), free_port()
    rows(scene.database, "UPDATE store_smtpserver SET is_default = ?, position = 1 WHERE name = 'Sink'", False)
    add_sink(scene.database, "Dead", port)
    said = killed_under_load(scene, rounds)
    assert eventually(lambda: len(sink_arrivals(scene.sinks[0].record)) > len(scene.load.accepted) // 2, 20)
    # What was on its way to the dead one when the engine was killed may have been sent, and waits for that one alone.
    scene.sinks.append(SinkProcess(tmp_path / "later arrivals", port))
    scene.restart()
    scene.load.stop()
    drain(scene)
    record_property("audit", shown_whole(scene, rounds, said))


def killed_under_load(scene: Scene, rounds: int) -> str:
    """Kill and start again, so many times; what was done."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    assert eventually(lambda: is_verified(scene.database, "Sandbox"), 10)
    scene.load.start()
    kills = dict.fromkeys((*scene.roles, *(("database",) if scene.server else ())), 0)
    for number in range(rounds):
        # The sandbox is spared near the end: after a fault its lane waits, and so would the drain.
        names = ["web", "engine", "sandbox"] if number < rounds * 2 // 3 else ["web", "engine"]
        role: Role | DatabaseServer = scene.roles[chance.choice(names)]
        if scene.server is not None and chance.random() < 0.15:
            role = scene.server
        time.sleep(chance.random() * 0.7)
        role.kill()
        kills[role.name] += 1
        role.start()
        if chance.random() < 0.8:
            role.await_ready()
    return f"seed {seed}, {kills}"


def shown_whole(scene: Scene, rounds: int, said: str) -> str:
    """The audit in words, after it has shown that nothing is lost."""
    audit = scene.audit()
    said = f"{said}, {scene.load.repeats} repeats: {audit}"
    print(said)
    assert not scene.load.refused, said
    assert audit.accepted > 10 * rounds, said
    assert audit.lost == (), said
    assert audit.delivered_twice <= audit.uncertain, said
    assert set(audit.states) <= {"sent", "held"}, said
    assert audit.states["sent"] > 0.9 * audit.stored, said
    assert is_whole(scene.database)
    return said


def drain(scene: Scene) -> None:
    """Let everything leave that waits: what waits for its next attempt is made due now, as an operator may."""
    long_ago = text_of(NOW.replace(year=2000))

    def drained() -> bool:
        rows(
            scene.database,
            "UPDATE store_delivery SET due_at = ? WHERE state IN ('deferred', 'uncertain') AND due_at > ?",
            long_ago, long_ago,
        )
        waiting = "SELECT count(*) FROM store_delivery WHERE state IN ('queued', 'sending', 'deferred', 'uncertain')"
        return rows(scene.database, waiting) == [(0,)]

    assert eventually(drained, DRAINED_WITHIN_S, 0.5), f"{scene.audit()}\n{scene.roles['engine'].said}"
    ends = {name: role.stop() for name, role in scene.roles.items()}
    assert (ends["engine"], ends["sandbox"]) == (0, 0)


def show_that_the_audit_sees(scene: Scene) -> None:
    """The control: the same records, doctored. An audit that passes them would prove nothing."""
    stored = stored_deliveries(scene.database)
    arrivals, accepted = scene.arrivals, scene.load.accepted
    gone = next(iter(accepted))
    sent_once = next(d for d in stored if d.state == "sent" and arrivals.count((d.message_id, d.recipient)) == 1)
    arrival = (sent_once.message_id, sent_once.recipient)
    assert not audited(accepted, [d for d in stored if d.message != gone], arrivals).holds
    assert not audited(accepted, stored, [a for a in arrivals if a != arrival]).holds
    certain = [replace(d, uncertain_count=0) for d in stored]
    assert not audited(accepted, certain, [*arrivals, arrival]).holds


def add_sink(database: Database, name: str, port: int) -> None:
    """The default server, without encryption."""
    settings = ServerSettings(
        name=name, host="127.0.0.1", port=port, security=Security.NONE, from_address="reports@example.com"
    )
    add_server(database, settings)


def is_verified(database: Database, name: str) -> bool:
    found = rows(database, "SELECT verified_fingerprint FROM store_smtpserver WHERE name = ?", name)
    return bool(found and found[0][0])


def is_whole(database: Database) -> bool:
    """What SQLite says of its file; of PostgreSQL, which was killed as well, that each row is found by its index."""
    if isinstance(database, Path):
        return rows(database, "PRAGMA integrity_check") == [("ok",)]
    rows(database, "CREATE EXTENSION IF NOT EXISTS amcheck")
    return rows(
        database,
        "SELECT count(bt_index_check(i.indexrelid, true)::text) > 10 FROM pg_index i JOIN pg_class c"
        " ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree' AND c.relname LIKE 'store%'",
    ) == [(True,)]
