"""One writer at a time on an SQLite database, across processes.

SQLite 3.7.0–3.51.2 can lose a WAL reset race between two writing processes, and two busy writers starve each other; so
every write transaction holds an exclusive lock on a file beside the database. Whoever waits first holds a second lock,
its turn, which a writer needs before it may ask again: nobody takes the lock twice past another who waits. Reentrant
within a thread.
"""

import fcntl
import os
import threading
import time
from pathlib import Path

WAIT_S = 20.0
# Who is next asks often, for nobody works while it sleeps; those behind it have time.
NEXT_PAUSE_S = 0.0005
WAITING_PAUSE_S = 0.004
_held = threading.local()


class WriteLockTimeout(TimeoutError):
    """Another process kept the database's write lock for longer than the wait allows."""


class WriteLock:
    """The lock of one database file. `acquire` waits at most `wait_s` seconds, then raises WriteLockTimeout; it tells
    whether somebody else had the lock."""

    def __init__(self, database: Path) -> None:
        self._path = f"{database}.lock"
        self._turn_path = f"{database}.turn"

    def acquire(self, wait_s: float = WAIT_S) -> bool:
        held: dict[str, tuple[int, int]] = _held.__dict__.setdefault("locks", {})
        if self._path in held:
            descriptor, depth = held[self._path]
            held[self._path] = (descriptor, depth + 1)
            return False
        deadline = time.monotonic() + wait_s
        try:
            turn, was_queued = _locked(self._turn_path, deadline, WAITING_PAUSE_S)
            try:
                descriptor, was_taken = _locked(self._path, deadline, NEXT_PAUSE_S)
            finally:
                os.close(turn)
        except WriteLockTimeout:
            raise WriteLockTimeout(f"the database is locked by another process for over {wait_s:g} s") from None
        held[self._path] = (descriptor, 1)
        return was_queued or was_taken

    def release(self) -> None:
        held: dict[str, tuple[int, int]] = _held.__dict__.setdefault("locks", {})
        descriptor, depth = held[self._path]
        if depth > 1:
            held[self._path] = (descriptor, depth - 1)
            return
        del held[self._path]
        os.close(descriptor)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def _locked(path: str, deadline_s: float, pause_s: float) -> tuple[int, bool]:
    """A descriptor that holds the lock of the file, and whether it had to wait. Raises WriteLockTimeout, OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        return descriptor, _waited(descriptor, deadline_s, pause_s)
    except BaseException:
        os.close(descriptor)
        raise


def _waited(descriptor: int, deadline_s: float, pause_s: float) -> bool:
    waited = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline_s:
                raise WriteLockTimeout from None
            waited = True
            time.sleep(pause_s)
        else:
            return waited
