"""Files of messages that somebody is writing in a page: kept for a day, apart from what was accepted.

`flow/instance/retain.py` removes them.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .blobs import Blob, Blobs

KEPT_S = 24 * 3_600.0


class Drafts:
    """The files in one folder. Whoever names a file must have got its name from `put`: it is a digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blobs = Blobs(folder)

    def put(self, octets: bytes) -> Blob:
        """Store them."""
        return self._blobs.put([octets])

    def read(self, digest: str, size_bytes: int) -> bytes:
        """All octets. Raises DamagedBlob, also when the file is gone."""
        return b"".join(self._blobs.open(digest, size_bytes).chunks())

    def discard_old(self, before_s: float) -> int:
        """Remove files stored before that time (seconds of the epoch); their number."""
        removed = self._blobs.discard_unfinished(before_s)
        for path in self._files():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before_s:
                    path.unlink()
                    removed += 1
        return removed

    def _files(self) -> Iterator[Path]:
        return self._folder.glob("[0-9a-f][0-9a-f]/*")
