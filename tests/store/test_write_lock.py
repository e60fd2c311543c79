"""One writer at a time across threads and processes."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.db import connection, transaction

from postroom.store.models import InstanceValue
from postroom.store.write_lock import WriteLock, WriteLockTimeout

TRY = """
import sys
from pathlib import Path
from postroom.store.write_lock import WriteLock, WriteLockTimeout
try:
    WriteLock(Path(sys.argv[1])).acquire(wait_s=0.05)
except WriteLockTimeout:
    sys.exit(7)
"""

BUSY = """
import sys, time
from pathlib import Path
from postroom.store.write_lock import WriteLock
lock = WriteLock(Path(sys.argv[1]))
print("busy", flush=True)
while True:
    with lock:
        until = time.monotonic() + 0.005
        while time.monotonic() < until:
            pass
"""


def taken_elsewhere(database: Path) -> bool:
    """Whether another process finds the lock taken."""
    return subprocess.run([sys.executable, "-c", TRY, str(database)], check=False).returncode == 7


def test_another_process_waits_until_the_lock_is_released(tmp_path: Path) -> None:
    lock = WriteLock(tmp_path / "db")
    with lock:
        assert taken_elsewhere(tmp_path / "db")
    assert not taken_elsewhere(tmp_path / "db")


def test_it_tells_whether_somebody_else_had_the_lock(tmp_path: Path) -> None:
    lock, found = WriteLock(tmp_path / "db"), []

    def wait() -> None:
        found.append(lock.acquire())
        lock.release()

    with lock:
        other = threading.Thread(target=wait)
        other.start()
        time.sleep(0.05)
    other.join()
    assert found == [True]
    assert lock.acquire() is False
    lock.release()


def test_the_lock_is_reentrant_within_a_thread_and_exclusive_between_threads(tmp_path: Path) -> None:
    lock, outcome = WriteLock(tmp_path / "db"), []

    def contend() -> None:
        try:
            lock.acquire(wait_s=0.02)
        except WriteLockTimeout:
            outcome.append("refused")

    with lock, lock:
        other = threading.Thread(target=contend)
        other.start()
        other.join()
    assert outcome == ["refused"]


@pytest.mark.django_db(transaction=True)
def test_a_django_transaction_holds_the_lock_and_gives_it_back() -> None:
    database = Path(str(connection.settings_dict["NAME"]))
    if "memory" in str(database):
        pytest.fail("the tests must run on a database file, as the product does")
    with transaction.atomic():
        InstanceValue.objects.create(name="x", value=1)
        assert taken_elsewhere(database)
    assert not taken_elsewhere(database)
    InstanceValue.objects.filter(name="x").update(value=2)
    assert not taken_elsewhere(database)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        1 / 0  # noqa: B018
    assert not taken_elsewhere(database)


def test_who_waits_gets_the_lock_before_a_busy_process_gets_it_again(tmp_path: Path) -> None:
    lock = WriteLock(tmp_path / "db")
    with subprocess.Popen([sys.executable, "-c", BUSY, str(tmp_path / "db")], stdout=subprocess.PIPE) as busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        try:
            for _ in range(10):
                time.sleep(0.02)
                lock.acquire(wait_s=0.5)
                lock.release()
        finally:
            busy.kill()


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_opened_again_and_again_looks_at_each_statement_once() -> None:
    for _ in range(5):
        connection.close()
        InstanceValue.objects.count()
    assert len(connection.execute_wrappers) == 1
