"""The activity log keeps its lines whole and harmless."""

import json
import multiprocessing
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from postroom.store.activity_log import BLOCK_BYTES, FILE_NAME, ActivityLog

AT = datetime(2026, 11, 22, 23, 59, 59, 999_000, tzinfo=UTC)


def test_entries_come_back_newest_first_by_day(tmp_path: Path) -> None:
    log = ActivityLog(tmp_path)
    for number in range(3):
        log.append({"at": AT + timedelta(milliseconds=number), "kind": "delivery", "outcome": "sent", "code": number})
    assert log.days() == [date(2026, 11, 22), date(2026, 11, 23)]
    assert [e["code"] for e in log.read_day(date(2026, 11, 23))] == [2, 1]
    assert log.read_day(date(2026, 11, 22)) == [
        {"at": "2026-11-22T23:59:59.999+00:00", "kind": "delivery", "outcome": "sent", "code": 0}
    ]
    assert log.read_day(date(2026, 1, 1)) == []


def test_filters_choose_and_the_limit_ends_the_reading(tmp_path: Path) -> None:
    log = ActivityLog(tmp_path)
    for number in range(2_000):
        log.append({
            "at": AT, "outcome": "sent" if number % 2 else "failed", "cause": f"cause-{number % 3}", "server": "Relay",
            "recipient": f"r{number}@example.org", "reply": "550 No such User" if number % 2 == 0 else "250 ok",
        })
    day = AT.date()
    assert (tmp_path / "2026-11-22" / FILE_NAME).stat().st_size > 3 * BLOCK_BYTES
    assert len(log.read_day(day, limit=5_000)) == 2_000
    assert [e["recipient"] for e in log.read_day(day, outcome="failed", cause="cause-0", limit=2)] == [
        "r1998@example.org", "r1992@example.org"
    ]
    assert len(log.read_day(day, text="no such user", limit=5_000)) == 1_000
    assert len(log.read_day(day, recipient="r7@example.org", server="Relay")) == 1
    assert log.read_day(day, server="Other") == []


def test_remote_text_stays_one_bounded_line(tmp_path: Path) -> None:
    log = ActivityLog(tmp_path)
    log.append({"at": AT, "reply": "550 \x1b[31m\r\n{\"forged\": 1}\u202e\udcff" + "x" * 10**6})
    octets = (tmp_path / "2026-11-22" / FILE_NAME).read_bytes()
    assert octets.count(b"\n") == 1
    assert len(octets) < 2_000
    (entry,) = log.read_day(AT.date())
    assert entry["reply"].startswith('550 \\x1b[31m\\x0d\\x0a{"forged": 1}\\u{202e}')


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "2026-11-22" / FILE_NAME
    file.parent.mkdir()
    file.write_bytes(b'{"code": 1}\n[1]\n{"code": 2, "at"')
    log = ActivityLog(tmp_path)
    log.append({"at": AT, "code": 3})
    assert [e["code"] for e in log.read_day(AT.date())] == [3, 1]


def test_an_unknown_field_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="password"):
        ActivityLog(tmp_path).append({"password": "x"})


def _append_many(folder: Path, name: str) -> None:
    log = ActivityLog(folder)
    for number in range(500):
        log.append({"at": AT, "server": name, "code": number, "reply": "y" * 400})


def test_lines_of_several_processes_never_mix(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_append_many, args=(tmp_path, name)) for name in "abc"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    lines = (tmp_path / "2026-11-22" / FILE_NAME).read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert sorted((e["server"], e["code"]) for e in entries) == sorted((n, c) for n in "abc" for c in range(500))


FULL = """
import resource, signal, sys
from pathlib import Path
from postroom.store.activity_log import ActivityLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = ActivityLog(Path(sys.argv[1]))
log.append({"kind": "session", "server": "first"})
resource.setrlimit(resource.RLIMIT_FSIZE, (150, resource.RLIM_INFINITY))
try:
    log.append({"kind": "session", "server": "torn " * 40})
except OSError:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    log.append({"kind": "session", "server": "last"})
"""


def test_a_line_that_a_full_disk_tore_takes_no_other_along(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], check=True)
    entries = ActivityLog(tmp_path).read_day(datetime.now(UTC).date())
    assert [entry["server"] for entry in entries] == ["last", "first"]
