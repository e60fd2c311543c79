"""One writer at a time across threads and processes."""

import subprocess
import sys
import threading
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


def taken_elsewhere(database: Path) -> bool:
    """Whether another process finds the lock taken."""
    return subprocess.run([sys.executable, "-c", TRY, str(database)], check=False).returncode == 7


def test_another_process_waits_until_the_lock_is_released(tmp_path: Path) -> None:
    lock = WriteLock(tmp_path / "db")
    with lock:
        assert taken_elsewhere(tmp_path / "db")
    assert not taken_elsewhere(tmp_path / "db")


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
