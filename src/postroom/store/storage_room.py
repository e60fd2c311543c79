"""Whether the disk has room for more mail (D5). Its end is kept for claiming and settling what was accepted."""

import errno
import os
import time
from pathlib import Path

RESERVE_BYTES = 4 * 1024 * 1024
# Of each delivery: rows and indexes, their place in the journal, and later its attempt and lines of the log.
DELIVERY_BYTES = 8 * 1024
_LOOKED_EVERY_S = 1.0


class StorageRoom:
    """Looks at the file system of a folder, which need not be there yet, at most once a second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._free_bytes = 0
        self._looked_at_s = float("-inf")

    def is_there(self, size_bytes: int) -> bool:
        """Whether so many octets fit in beside the reserve."""
        now_s = time.monotonic()
        if now_s - self._looked_at_s >= _LOOKED_EVERY_S:
            self._free_bytes, self._looked_at_s = self._look(), now_s
        return self._free_bytes >= size_bytes + RESERVE_BYTES

    def take(self, size_bytes: int, deliveries: int = 0) -> None:
        """Octets, and so many deliveries, are about to be written. Raises OSError, as a full disk does, where they
        would not fit."""
        if not self.is_there(size_bytes):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._free_bytes -= size_bytes + deliveries * DELIVERY_BYTES

    def _look(self) -> int:
        folder = self._folder
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize
