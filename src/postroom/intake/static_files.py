"""The pages' static files, read once at the start and served from memory: no request names a path of the disk."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path

from django.contrib.staticfiles.finders import get_finders

from .exchange import Receive, Scope, Send

PREFIX = "/static/"
# Addresses have no version in them: browsers ask again after five minutes, and usually hear "not modified".
_CACHE_CONTROL = b"public, max-age=300"
_COMPRESSIBLE = ("text/", "application/json", "application/javascript", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class _File:
    media_type: bytes
    etag: bytes
    octets: bytes = field(repr=False)
    compressed: bytes | None = field(repr=False)


class StaticFiles:
    """The application below /static/."""

    def __init__(self) -> None:
        self._files = {
            PREFIX + name.replace("\\", "/"): _file(Path(storage.path(name)))
            for finder in get_finders()
            for name, storage in finder.list([])
        }

    @staticmethod
    def takes(scope: Scope) -> bool:
        """Whether a request is for a static file."""
        return scope["type"] == "http" and str(scope["path"]).startswith(PREFIX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        file = self._files.get(scope["path"])
        if file is None or scope["method"] not in ("GET", "HEAD"):
            await _send(send, 404 if file is None else 405, [(b"content-type", b"text/plain")], b"")
            return
        sent = dict(scope["headers"])
        header = [
            (b"content-type", file.media_type),
            (b"cache-control", _CACHE_CONTROL),
            (b"etag", file.etag),
            (b"vary", b"accept-encoding"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if file.etag in sent.get(b"if-none-match", b""):
            await _send(send, 304, header, b"")
            return
        octets = file.octets
        if file.compressed is not None and b"gzip" in sent.get(b"accept-encoding", b""):
            header.append((b"content-encoding", b"gzip"))
            octets = file.compressed
        header.append((b"content-length", str(len(octets)).encode()))
        await _send(send, 200, header, octets if scope["method"] == "GET" else b"")


def _file(path: Path) -> _File:
    octets = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    is_text = kind.startswith(_COMPRESSIBLE)
    compressed = gzip.compress(octets, 9, mtime=0) if is_text else None
    return _File(
        media_type=(f"{kind}; charset=utf-8" if is_text else kind).encode(),
        etag=f'"{hashlib.sha256(octets).hexdigest()[:32]}"'.encode(),
        octets=octets,
        compressed=compressed if compressed is not None and len(compressed) < len(octets) else None,
    )


async def _send(send: Send, status: int, header: list[tuple[bytes, bytes]], octets: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": header})
    await send({"type": "http.response.body", "body": octets})
