"""What an engine is called, so that it finds what an earlier life of it left under lease.

Of a data directory with SQLite one engine lives at a time, which has no name. Where the database is shared, an engine
is named after its machine and the first free place on it; the kernel frees a place with the process that holds it.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_PAUSE_S = 0.1
PLACES = 100
_MACHINE_CHARACTERS = 50


class NoPlace(Exception):
    """So many engines already work on this machine that one more is a mistake."""


@contextmanager
def only_engine(data: Path, remark: Callable[[], None]) -> Iterator[str]:
    """Wait until no other engine works on the data directory; its name is "". `remark` is called while it waits."""
    descriptor = _opened(data / "engine.lock")
    try:
        while not _locked(descriptor):
            remark()
            time.sleep(LOCK_PAUSE_S)
        yield ""
    finally:
        os.close(descriptor)


@contextmanager
def one_of_several(data: Path) -> Iterator[str]:
    """A name such as "mail1.example.org/2" that no other living engine has. Raises NoPlace."""
    machine = os.uname().nodename[:_MACHINE_CHARACTERS] or "machine"
    for place in range(1, PLACES + 1):
        descriptor = _opened(data / f"engine-{machine.replace('/', '_')}-{place}.lock")
        try:
            if _locked(descriptor):
                yield f"{machine}/{place}"
                return
        finally:
            os.close(descriptor)
    raise NoPlace(f"{PLACES} engines work on this machine already")


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
