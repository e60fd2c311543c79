"""`POST /api/v1/blobs`: a file that messages will carry, streamed to the disk and never held in memory (B4)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from django.utils import timezone

from postroom.flow.messages.upload import UPLOAD_BYTES, Arriving, media_type_of
from postroom.store.blobs import Blobs
from postroom.store.models import ApiToken
from postroom.terms.problem import Problem

from .exchange import Receive, Scope, chunks_of, field_of
from .large_bodies import Arrivals, blocks_of

BLOBS = "/api/v1/blobs"
# The rate that `chunks_of` demands ends a slow one sooner.
TOTAL_S = 3_600.0
T = TypeVar("T")


class Uploads:
    """Takes files. Belongs to one event loop."""

    def __init__(self, blobs: Path, arrivals: Arrivals, executor: Executor, most_bytes: int = UPLOAD_BYTES) -> None:
        self._blobs, self._arrivals, self._executor, self._most_bytes = Blobs(blobs), arrivals, executor, most_bytes

    async def taken(self, scope: Scope, receive: Receive, client: ApiToken) -> dict[str, Any]:
        """The answer about a file, which is stored. Raises Problem or ClientGone."""
        if (field_of(scope, "content-encoding") or "identity") != "identity":
            raise Problem(415, "unsupported-type", "The body has another type", "Send it without Content-Encoding.")
        media_type = media_type_of(field_of(scope, "content-type") or "")
        self._arrivals.begin(client.id)
        try:
            return await self._stored(scope, receive, client, media_type)
        finally:
            self._arrivals.end(client.id)

    async def _stored(self, scope: Scope, receive: Receive, client: ApiToken, media_type: str) -> dict[str, Any]:
        arriving = await self._in_thread(lambda: Arriving(self._blobs, client.id, media_type))
        with arriving:
            async for block in blocks_of(chunks_of(scope, receive, self._most_bytes, TOTAL_S)):
                await self._in_thread(partial(arriving.feed, block))
            row = await self._in_thread(lambda: arriving.finish(timezone.now()))
        return {"id": row.pk, "size_bytes": row.size_bytes}

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
