"""Content-addressed files: a message's bytes are written once, synced, and read back only whole.

A blob lies at `blobs/ab/<sha256>`. It is complete from the moment it has its name: written under a name of its own,
synced, then renamed, then its folder is synced (D1). Reading checks length and digest before the first octet leaves
(D10).
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from .storage_room import StorageRoom

CHUNK_BYTES = 256 * 1024


class DamagedBlob(Exception):
    """A stored file is missing, torn or changed; the text says which and holds no content."""


@dataclass(frozen=True, slots=True)
class Blob:
    """What `Blobs.put` stored: SHA-256 in hexadecimal and the length."""

    digest: str
    size_bytes: int


class StoredContent:
    """The octets of one blob, in pieces of at most 256 KiB."""

    def __init__(self, path: Path, digest: str, size_bytes: int) -> None:
        self._path = path
        self._digest = digest
        self.size_bytes = size_bytes

    def chunks(self) -> Iterator[bytes]:
        """The octets. The last piece is held back until the digest of all is right, so that torn content never ends."""
        digest, size_bytes, previous = hashlib.sha256(), 0, b""
        try:
            with self._path.open("rb") as file:
                while piece := file.read(CHUNK_BYTES):
                    digest.update(piece)
                    size_bytes += len(piece)
                    if size_bytes > self.size_bytes:
                        break
                    if previous:
                        yield previous
                    previous = piece
        except OSError as error:
            raise DamagedBlob(f"the stored content can't be read: {error.strerror}") from error
        if size_bytes != self.size_bytes:
            raise DamagedBlob(f"the stored content has not the {self.size_bytes} bytes that were accepted")
        if digest.hexdigest() != self._digest:
            raise DamagedBlob("the stored content is not what was accepted: its digest differs")
        if previous:
            yield previous


@dataclass(frozen=True, slots=True)
class MemoryContent:
    """The octets of a small blob, checked and in memory."""

    octets: bytes = field(repr=False)

    @property
    def size_bytes(self) -> int:
        return len(self.octets)

    def chunks(self) -> Iterator[bytes]:
        yield self.octets


class Spool:
    """A blob on its way: `write` its octets, then `finish`; whoever does not must `discard`, as leaving the context
    does. Not for several threads at once."""

    def __init__(
        self, temporary: Path, take: Callable[[Path, Blob], None], is_kept: Callable[[Blob], bool], room: StorageRoom
    ) -> None:
        self._temporary, self._take, self._is_kept, self._room = temporary, take, is_kept, room
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb")

    def write(self, chunk: bytes) -> None:
        """Add octets. Raises OSError, also where they would take the end of the disk (D5)."""
        self._room.take(len(chunk))
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size_bytes += len(chunk)

    def finish(self) -> Blob:
        """The blob, after file and folder are synced. Raises OSError; then nothing is kept. Octets that are there
        already are not stored, or synced, once more."""
        try:
            blob = Blob(self._digest.hexdigest(), self.size_bytes)
            if self._is_kept(blob):
                self.discard()
                return blob
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._take(self._temporary, blob)
        except BaseException:
            self.discard()
            raise
        return blob

    def discard(self) -> None:
        """Forget what was not finished; after `finish`, nothing."""
        with suppress(OSError):  # a full disk may refuse what is still buffered
            self._file.close()
        with suppress(FileNotFoundError):
            self._temporary.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()


class Blobs:
    """The blobs in one folder, which is made when needed. Safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._arriving = folder / "arriving"
        self._lock = folder.with_name(f"{folder.name}.lock")
        self.room = StorageRoom(folder)

    def put(self, chunks: Iterable[bytes]) -> Blob:
        """Store the octets; returns after file and folder are synced. Raises OSError when the disk refuses."""
        with self.spool() as spool:
            for chunk in chunks:
                spool.write(chunk)
            return spool.finish()

    def spool(self) -> "Spool":
        """A blob whose octets come one after the other (blocking). Raises OSError when the disk refuses."""
        self._make_folder(self._arriving)
        return Spool(self._arriving / secrets.token_hex(16), self._take, self.keep, self.room)

    def _take(self, temporary: Path, blob: Blob) -> None:
        """Give a complete, synced file its name, durably."""
        target = self._path(blob.digest)
        self._make_folder(target.parent)
        with self._holding(fcntl.LOCK_SH):
            os.replace(temporary, target)
        _sync_folder(target.parent)

    def renew(self, digest: str) -> None:
        """Count the blob as put just now, where it is there, so that nobody discards it meanwhile."""
        with self._holding(fcntl.LOCK_SH), suppress(FileNotFoundError):
            os.utime(self._path(digest))

    def keep(self, blob: Blob) -> bool:
        """As `renew`; whether it is there, whole by its length and durably under its name. Raises OSError."""
        path = self._path(blob.digest)
        with self._holding(fcntl.LOCK_SH):
            try:
                os.utime(path)
                is_whole = path.stat().st_size == blob.size_bytes
            except FileNotFoundError:
                return False
        # Whoever gave it its name may not have come to this yet.
        _sync_folder(path.parent)
        return is_whole

    def open(self, digest: str, size_bytes: int) -> "StoredContent | MemoryContent":
        """The blob, after reading all of it once; raises DamagedBlob when it is not what was stored.

        A small one stays in memory, a large one is read, and checked, again as it leaves."""
        content = StoredContent(self._path(digest), digest, size_bytes)
        pieces = content.chunks()
        first = next(pieces, b"")
        for _ in pieces:
            pass
        return MemoryContent(first) if len(first) == size_bytes else content

    def unread(self, digest: str, size_bytes: int) -> StoredContent:
        """The blob, which is checked as its chunks are read."""
        return StoredContent(self._path(digest), digest, size_bytes)

    def older_than(self, before_s: float, at_once: int) -> Iterator[list[str]]:
        """The digests of blobs that were last put before that time (seconds of the epoch), some at a time."""
        batch: list[str] = []
        for folder in sorted(self._folder.glob("??")):
            for path in folder.iterdir():
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < before_s:
                        batch.append(path.name)
                if len(batch) >= at_once:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def discard(self, digests: Sequence[str], before_s: float) -> int:
        """Remove blobs, but none that was put since that time (seconds of the epoch); how many went.

        Somebody may put the same content again just now. It then has its name either before the look at its age, and
        stays, or after the removal, and is there again: `put` and this hold the same lock, each only for that step."""
        removed = 0
        with self._holding(fcntl.LOCK_EX):
            for digest in digests:
                with suppress(FileNotFoundError):
                    if self._path(digest).stat().st_mtime < before_s:
                        self._path(digest).unlink()
                        removed += 1
        return removed

    @contextmanager
    def _holding(self, mode: int) -> Iterator[None]:
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, mode)
            yield
        finally:
            os.close(descriptor)

    def discard_unfinished(self, before_s: float) -> int:
        """Remove files that a killed process left unfinished before that time (seconds of the epoch); their number."""
        removed = 0
        for path in self._arriving.glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before_s:
                    path.unlink()
                    removed += 1
        return removed

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        missing = [folder, *(p for p in folder.parents if not p.exists())]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for made in missing:
            _sync_folder(made.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
