"""One report for thousands: stored once, composed within memory, and whoever carries the run out may be killed in the
middle of it (S3, D8); for ten thousand with ROUNDS of 200 or more. Then a run whose messages really leave, through the
same kills.
"""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.outbox import Database, copy_schema, rows
from tests.rig.installation import Installation
from tests.rig.postgresql import Cluster

from postroom.policy.database_url import DatabaseUrl
from postroom.store.database import conninfo_of

from .audit import audited, sink_arrivals, stored_deliveries
from .processes import Role, SinkProcess, eventually
from .test_crash import add_sink, is_whole

pytestmark = [pytest.mark.crash, pytest.mark.django_db]
RECIPIENTS = 10_000 if int(os.environ.get("ROUNDS", "0")) >= 200 else 2_000
REPORT_BYTES = 2 * 1024 * 1024
# What the engine may need above an idle one, and what may lie on the disk besides the report and its encoded form.
MEMORY_BYTES, DISK_BYTES = 64 * 1024 * 1024, 1024 * 1024
READERS = 400
KILLS = 4
DONE_WITHIN_S = 300.0


@dataclass
class Scene:
    """An installation whose engine finds a run that waits."""

    data: Path
    database: Database
    engine: Role
    sink: SinkProcess

    def queued(self) -> int:
        return int(rows(self.database, "SELECT queued FROM store_run")[0][0])

    def state(self) -> str:
        return str(rows(self.database, "SELECT state FROM store_run")[0][0])

    def kill_in_the_middle(self, wanted: int, kills: int, chance: random.Random) -> list[int]:
        """Kill the engine so often while messages are being queued; how far it was each time."""
        seen: list[int] = []
        for number in range(1, kills + 1):
            until = wanted * number // (kills + 1)
            assert eventually(lambda until=until: self.queued() >= until, DONE_WITHIN_S, 0.01), self.engine.said
            time.sleep(chance.random() * 0.3)
            self.engine.kill()
            seen.append(self.queued())
            self.engine.start()
        return seen


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path, db: None) -> Iterator[Callable[..., Scene]]:  # noqa: ARG001  it makes the schema
    made: list[Scene] = []

    def begin(recipients: int, report: bytes, dialect: str = "sqlite") -> Scene:
        data, environment = tmp_path / "data", {"POSTROOM_SMTP_PORTS": "1-65535"}
        data.mkdir(mode=0o700)
        if dialect == "sqlite":
            database: Database = copy_schema(data / "postroom.sqlite3")
        else:
            cluster: Cluster = request.getfixturevalue("postgresql")
            url = cluster.url(cluster.create(request.getfixturevalue("postgresql_schema")))
            database, environment["POSTROOM_DATABASE_URL"] = conninfo_of(DatabaseUrl.parse(url)), url
        installation = Installation(data, **environment)
        (tmp_path / "report.csv").write_bytes(report)
        words = [sys.executable, "-m", "tests.crash.waiting_run", str(recipients), str(tmp_path / "report.csv")]
        subprocess.run(words, env=installation.environment, check=True)
        sink = SinkProcess(tmp_path / "arrivals")
        add_sink(database, "Sink", sink.port)
        made.append(Scene(data, database, Role(installation, "engine"), sink))
        return made[0]

    yield begin
    for each in made:
        each.engine.close()
        each.sink.close()


def test_d8_s3_a_report_for_thousands_is_stored_once_and_queued_once_for_each_through_kills(
    scene: Callable[..., Scene], record_property: Callable[[str, object], None]
) -> None:
    line = b"0123456789abcdef,42\r\n"
    here = scene(RECIPIENTS, (b"order,amount\r\n" + line * (REPORT_BYTES // len(line) + 1))[:REPORT_BYTES])
    rows(here.database, "UPDATE store_smtpserver SET paused_at = ?", "2026-11-22 09:00:00")
    rows(here.database, "UPDATE store_run SET state = 'cancelled'")
    here.engine.start()
    here.engine.await_ready()
    idle_bytes = here.engine.peak_bytes
    rows(here.database, "UPDATE store_run SET state = 'waiting'")
    begun_s, chance = time.monotonic(), random.Random(RECIPIENTS)
    seen = here.kill_in_the_middle(RECIPIENTS, KILLS, chance)
    assert eventually(lambda: here.state() == "success", DONE_WITHIN_S, 0.2), here.engine.said
    took_s, more_bytes = time.monotonic() - begun_s, here.engine.peak_bytes - idle_bytes
    stored_bytes = sum(path.stat().st_size for path in (here.data / "blobs").rglob("*") if path.is_file())
    said = (
        f"{RECIPIENTS} recipients in {took_s:.0f} s with kills at {seen}: {more_bytes / 2**20:.0f} MiB of memory,"
        f" {stored_bytes / 2**20:.1f} MiB of files"
    )
    record_property("run", said)
    print(said)
    recipients = rows(here.database, "SELECT recipient FROM store_delivery")
    assert Counter(recipients) == Counter({(f"reader{n}@example.org",): 1 for n in range(RECIPIENTS)}), said
    assert here.queued() == RECIPIENTS
    assert more_bytes <= MEMORY_BYTES, said
    assert stored_bytes <= REPORT_BYTES + REPORT_BYTES * 3 // 2 + DISK_BYTES, said
    assert is_whole(here.database)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_s3_what_a_run_writes_arrives_once_for_each_through_kills_in_the_middle(
    scene: Callable[..., Scene], record_property: Callable[[str, object], None], dialect: str
) -> None:
    here = scene(READERS, b"order,amount\r\n1,42\r\n", dialect)
    seed = random.randrange(2**32)
    here.engine.start()
    seen = here.kill_in_the_middle(READERS, KILLS, random.Random(seed))
    assert eventually(lambda: here.state() == "success", DONE_WITHIN_S, 0.2), here.engine.said

    def has_left() -> bool:
        rows(here.database, "UPDATE store_delivery SET due_at = '2000-01-01 00:00:00' WHERE state = 'deferred'")
        waiting = "SELECT count(*) FROM store_delivery WHERE state IN ('queued', 'sending', 'deferred')"
        return rows(here.database, waiting) == [(0,)]

    assert eventually(has_left, DONE_WITHIN_S, 0.2), here.engine.said
    assert here.engine.stop() == 0
    accepted: dict[str, list[str]] = {}
    for message, address in rows(here.database, "SELECT message_id, address FROM store_runrecipient"):
        accepted.setdefault(message, []).append(address)
    audit = audited(accepted, stored_deliveries(here.database), sink_arrivals(here.sink.record))
    said = f"seed {seed}, kills at {seen}: {audit}"
    record_property("audit", said)
    print(said)
    assert len(accepted) == audit.stored == READERS, said
    assert audit.holds, said
    assert is_whole(here.database)
