"""One `postroom run` on a data directory: an exclusive lock that the supervisor takes and its children keep.

The lock belongs to the open file, so it lasts until the last process that inherited it has gone: a supervisor started
after another was killed waits for the orphans, instead of working beside them.
"""

import fcntl
import os
import time
from pathlib import Path

ORPHANS_WAIT_S = 15.0


class DataDirectoryTaken(Exception):
    """Another `postroom run` works on this data directory."""


def locked_data_directory(data: Path) -> int:
    """The descriptor that holds the lock, inheritable; raises DataDirectoryTaken while another supervisor lives."""
    descriptor = os.open(data / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + ORPHANS_WAIT_S
    while not _try_lock(descriptor):
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        if _is_alive(owner) or time.monotonic() > deadline:
            os.close(descriptor)
            raise DataDirectoryTaken(f"another `postroom run` (process {owner or 'unknown'}) works on {data}")
        time.sleep(0.1)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(owner: str) -> bool:
    if not owner.isdecimal():
        return False
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
