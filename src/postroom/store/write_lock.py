"""One writer at a time on an SQLite database, across processes.

SQLite 3.7.0–3.51.2 can lose a WAL reset race between two writing processes, and two busy writers starve each other; so
every write transaction holds an exclusive lock on a file beside the database. Reentrant within a thread.
"""

import fcntl
import os
import threading
import time
from pathlib import Path

WAIT_S = 20.0
_held = threading.local()


class WriteLockTimeout(TimeoutError):
    """Another process kept the database's write lock for longer than the wait allows."""


class WriteLock:
    """The lock of one database file. `acquire` waits at most `wait_s` seconds, then raises WriteLockTimeout."""

    def __init__(self, database: Path) -> None:
        self._path = f"{database}.lock"

    def acquire(self, wait_s: float = WAIT_S) -> None:
        held: dict[str, tuple[int, int]] = _held.__dict__.setdefault("locks", {})
        if self._path in held:
            descriptor, depth = held[self._path]
            held[self._path] = (descriptor, depth + 1)
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._wait(descriptor, wait_s)
        except BaseException:
            os.close(descriptor)
            raise
        held[self._path] = (descriptor, 1)

    def release(self) -> None:
        held: dict[str, tuple[int, int]] = _held.__dict__.setdefault("locks", {})
        descriptor, depth = held[self._path]
        if depth > 1:
            held[self._path] = (descriptor, depth - 1)
            return
        del held[self._path]
        os.close(descriptor)

    def _wait(self, descriptor: int, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        pause_s = 0.0005
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise WriteLockTimeout(f"the database is locked by another process for over {wait_s:g} s") from None
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, 0.01)
            else:
                return

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
