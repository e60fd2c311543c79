"""Take in a file that messages will carry: encoded as it comes, stored once, remembered for its client."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Self, TypeVar

from django.db import DatabaseError, connection

from postroom.message.encoding import Base64Encoder
from postroom.store.blobs import Blobs
from postroom.store.models import Upload
from postroom.store.uploads import uploaded, uploaded_bytes
from postroom.store.writer import StorageBusy
from postroom.terms.header import HeaderProblem, checked_media_type
from postroom.terms.problem import Problem

from .storage_problem import storage_problem

# One file; the largest services take messages of 150 MB.
UPLOAD_BYTES = 256 * 1024 * 1024
# What the uploads of one client may take on the disk.
CLIENT_BYTES = 8 * 1024 * 1024 * 1024
T = TypeVar("T")


class Arriving:
    """A file on its way in: `feed` its octets, then `finish`; leaving the context forgets what was not finished.

    Every method blocks and raises Problem."""

    def __init__(self, blobs: Blobs, scope: str, media_type: str) -> None:
        self._scope, self._media_type = scope, media_type
        self._size_bytes = 0
        self._encoder = Base64Encoder()
        _refuse_more(scope)
        self._spool = _stored(blobs.spool)

    def feed(self, octets: bytes) -> None:
        """Add octets."""
        self._size_bytes += len(octets)
        _stored(lambda: self._write(octets))

    def finish(self, now: datetime) -> Upload:
        """The upload, synced and remembered."""
        return _stored(lambda: self._finished(now))

    def _write(self, octets: bytes) -> None:
        for lines in self._encoder.feed(octets):
            self._spool.write(lines)

    def _finished(self, now: datetime) -> Upload:
        self._spool.write(self._encoder.end())
        return uploaded(self._scope, self._spool.finish(), self._size_bytes, self._media_type, now)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._spool.discard()


def media_type_of(content_type: str) -> str:
    """The media type of a file by its Content-Type, "" when that says nothing. Raises Problem."""
    kind, _, parameters = content_type.partition(";")
    charset = next((p.strip() for p in parameters.split(";") if p.strip().lower().startswith("charset=")), "")
    kind = kind.strip()
    if kind.lower() in ("", "application/octet-stream"):
        return ""
    try:
        return checked_media_type(f"{kind}; {charset}" if charset else kind)
    except HeaderProblem:
        detail = "Send the octets of the file themselves, with their type as Content-Type, such as application/pdf."
        raise Problem(415, "unsupported-type", "The body has another type", detail) from None


def _refuse_more(scope: str) -> None:
    if _stored(lambda: uploaded_bytes(scope)) >= CLIENT_BYTES:
        detail = "Your uploads take all the room they may. They go 24 hours after their last use; send this one then."
        raise Problem(429, "uploads-full", "There are too many uploads", detail, retry_after_s=3_600)


def _stored(work: Callable[[], T]) -> T:
    try:
        return work()
    except DatabaseError as error:
        connection.close()
        raise storage_problem(StorageBusy(str(error))) from error
    except OSError as error:
        raise storage_problem(error) from error
