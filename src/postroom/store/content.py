"""The octets of a message: pieces that lie in the database, and files of `Blobs` that other messages may share.

Content is frozen at acceptance, as it stands on the wire but for dot-stuffing: CR LF line ends, parts encoded. Few
inline octets are committed together with their message, which costs no file and no sync of its own; more of them, and
large parts, are files. Nothing leaves unless length and digest are those that were accepted (D10).
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from postroom.smtp.content import Content

from .blobs import Blobs, DamagedBlob, MemoryContent

# So many inline octets at most lie in the database.
INLINE_BYTES = 64 * 1024
_DOMAIN = b"postroom content 1\n"
_UNDER_LOCK_BYTES = 2_047


@dataclass(frozen=True, slots=True)
class BlobPart:
    """A file of `Blobs` that is part of a content; SHA-256 in hexadecimal and the length."""

    digest: str
    size_bytes: int


Part = bytes | BlobPart


@dataclass(frozen=True)
class FrozenContent:
    """A content's parts in order. Two contents of equal parts have one digest, however inline octets were cut.

    `digest` is SHA-256 in hexadecimal: of the octets where all are inline, of the file where one file is all; else over
    the inline octets and the digests of the files, each with its kind and length before it."""

    parts: tuple[Part, ...] = field(repr=False)

    def __post_init__(self) -> None:
        merged = _merged(self.parts)
        if merged is not self.parts:
            object.__setattr__(self, "parts", merged)

    @cached_property
    def size_bytes(self) -> int:
        return sum(len(part) if isinstance(part, bytes) else part.size_bytes for part in self.parts)

    @cached_property
    def digest(self) -> str:
        match self.parts:
            case ():
                return hashlib.sha256().hexdigest()
            case (bytes() as octets,):
                return sha256_of(octets)
            case (BlobPart() as file,):
                return file.digest
        digest = hashlib.sha256(_DOMAIN)
        for part in self.parts:
            if isinstance(part, bytes):
                digest.update(b"i%d\n" % len(part))
                _add(digest, part)
            else:
                digest.update(b"b%d %s\n" % (part.size_bytes, part.digest.encode()))
        return digest.hexdigest()

    @property
    def inline_octets(self) -> bytes:
        """What lies in the database, one piece after the other."""
        match self.parts:
            case (bytes() as octets,):
                return octets
        return b"".join(part for part in self.parts if isinstance(part, bytes))

    @property
    def blob_parts(self) -> tuple[BlobPart, ...]:
        return tuple(part for part in self.parts if isinstance(part, BlobPart))

    @property
    def is_one_file(self) -> bool:
        """Whether a file is all of it, so that digest and size of the message tell everything."""
        return len(self.parts) == 1 and isinstance(self.parts[0], BlobPart)

    @property
    def layout(self) -> list[Any] | None:
        """How the parts follow each other, as JSON: an inline piece's length, a file's [digest, length]. None where
        all is inline."""
        if not self.blob_parts:
            return None
        return [len(part) if isinstance(part, bytes) else [part.digest, part.size_bytes] for part in self.parts]


def sha256_of(octets: bytes) -> str:
    """SHA-256 in hexadecimal, for octets of which most are few."""
    digest = hashlib.sha256()
    _add(digest, octets)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", octets: bytes) -> None:
    """Few octets in pieces for which hashlib keeps Python's lock: to get it back may take ten times as long."""
    if len(octets) > INLINE_BYTES:
        digest.update(octets)
        return
    for start in range(0, len(octets), _UNDER_LOCK_BYTES):
        digest.update(octets[start:start + _UNDER_LOCK_BYTES])


def _merged(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Inline pieces that lie side by side as one, without empty parts."""
    if len(parts) == 1 and parts[0]:
        return tuple(parts)
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += part
        elif not isinstance(part, bytes) or part:
            merged.append(part)
    return tuple(merged)


def content_from(octets: bytes, layout: Sequence[Any] | None) -> FrozenContent:
    """The content of a stored row. Raises DamagedBlob where octets and layout don't fit together."""
    if layout is None:
        return FrozenContent((octets,))
    parts: list[Part] = []
    position = 0
    for item in layout:
        match item:
            case int() as length:
                parts.append(octets[position:position + length])
                position += length
            case [str() as digest, int() as size_bytes]:
                parts.append(BlobPart(digest, size_bytes))
            case _:
                raise DamagedBlob("the stored content's layout can't be read")
    if position != len(octets):
        raise DamagedBlob("the stored content is torn: its layout names other lengths")
    return FrozenContent(tuple(parts))


def content_of_row(octets: bytes | None, layout: str | None) -> FrozenContent:
    """`content_from` for columns as the database holds them. Raises DamagedBlob."""
    if not isinstance(octets, bytes):
        raise DamagedBlob("the stored content is gone")
    try:
        read = None if layout is None else json.loads(layout)
    except (ValueError, TypeError) as error:
        raise DamagedBlob("the stored content's layout can't be read") from error
    return content_from(octets, read)


def one_file(digest: str, size_bytes: int) -> FrozenContent:
    """A content that is one blob: all there was before contents lay in the database."""
    return FrozenContent((BlobPart(digest, size_bytes),))


class Contents:
    """Contents over the files of `blobs`."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def kept(self, content: FrozenContent) -> FrozenContent:
        """The content as a message may have it: with more inline octets than the database takes, those lie in synced
        files (blocking). Raises OSError."""
        inline = content.size_bytes - sum(part.size_bytes for part in content.blob_parts)
        if inline <= INLINE_BYTES:
            return content
        return FrozenContent(tuple(self._filed(part) for part in content.parts))

    def _filed(self, part: Part) -> Part:
        if isinstance(part, BlobPart):
            return part
        blob = self._blobs.put([part])
        return BlobPart(blob.digest, blob.size_bytes)

    def renew(self, content: FrozenContent) -> None:
        """Count its files as put just now, so that nobody discards them meanwhile."""
        for part in content.blob_parts:
            self._blobs.renew(part.digest)

    def open(self, content: FrozenContent, digest: str, size_bytes: int) -> Content:
        """The octets, after reading all of its files once (blocking where there are any). Raises DamagedBlob when they
        are not those of that digest and length."""
        if content.size_bytes != size_bytes:
            raise DamagedBlob(f"the stored content has not the {size_bytes} bytes that were accepted")
        if content.digest != digest:
            raise DamagedBlob("the stored content is not what was accepted: its digest differs")
        match content.parts:
            case ():
                return MemoryContent(b"")
            case (bytes() as octets,):
                return MemoryContent(octets)
            case (BlobPart() as part,):
                return self._blobs.open(part.digest, part.size_bytes)
        return _Joined(size_bytes, tuple(self._opened(part) for part in content.parts))

    def streamed(self, content: FrozenContent, digest: str, size_bytes: int) -> Content:
        """The octets; files are read, and checked, as they leave: the last piece of each is held back until its digest
        is right, so that torn content never comes to its end. Raises DamagedBlob for inline octets at once, for files
        as they are read."""
        if content.size_bytes != size_bytes:
            raise DamagedBlob(f"the stored content has not the {size_bytes} bytes that were accepted")
        if content.digest != digest:
            raise DamagedBlob("the stored content is not what was accepted: its digest differs")
        match content.parts:
            case (bytes() as octets,):
                return MemoryContent(octets)
        return _Joined(size_bytes, tuple(self._unread(part) for part in content.parts))

    def _unread(self, part: Part) -> Content:
        return MemoryContent(part) if isinstance(part, bytes) else self._blobs.unread(part.digest, part.size_bytes)

    def _opened(self, part: Part) -> Content:
        return MemoryContent(part) if isinstance(part, bytes) else self._blobs.open(part.digest, part.size_bytes)


@dataclass(frozen=True, slots=True)
class _Joined:
    """Several contents as one."""

    size_bytes: int
    parts: tuple[Content, ...]

    def chunks(self) -> Iterator[bytes]:
        for part in self.parts:
            yield from part.chunks()

