"""`POST /api/v1/report-sources/{id}/report`: a report, streamed to the disk and never held in memory (B4).

A door of its own in front of Django: who asks, may they, is there such a source; only then is the body read.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from django.db import DatabaseError, connection
from django.utils import timezone

from postroom.flow.messages.storage_problem import storage_problem
from postroom.flow.messages.upload import media_type_of
from postroom.flow.reports.push_report import ArrivingReport, pushed_json
from postroom.flow.users.tokens import bearer_of, client_of, may, note_use
from postroom.store.blobs import Blobs
from postroom.store.models import ApiToken
from postroom.store.writer import StorageBusy
from postroom.terms.problem import FieldError, Problem, forbidden, invalid_fields, unauthorized
from postroom.terms.report import REPORT_BYTES
from postroom.terms.wording import worded

from .exchange import ClientGone, Receive, Scope, Send, answer, answer_problem, chunks_of, field_of
from .large_bodies import Arrivals, blocks_of

PUSH = "/api/v1/report-sources/{source_id}/report"
PATH = re.compile(PUSH.replace("{source_id}", "([0-9A-Za-z]{1,26})"))
TOTAL_S = 3_600.0
THREADS = 2
_FILE_NAME = "file_name"

log = logging.getLogger("postroom.intake")
T = TypeVar("T")


class Pushes:
    """Takes reports. Belongs to one event loop."""

    def __init__(self, blobs: Path, most_bytes: int = REPORT_BYTES) -> None:
        self._blobs, self._arrivals, self._most_bytes = Blobs(blobs), Arrivals(), most_bytes
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="push")

    @staticmethod
    def takes(scope: Scope) -> bool:
        """Whether a request is this door's."""
        return (
            scope["type"] == "http" and scope["method"] == "POST" and PATH.fullmatch(scope["path"]) is not None
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            document = await self._taken(scope, receive)
        except Problem as problem:
            await answer_problem(send, problem)
        except ClientGone:
            log.info("a client left before its report was complete")
        except Exception:
            log.exception("a report could not be taken")
            detail = "The fault is written to the log of Postroom. Push the report again with its Idempotency-Key."
            await answer_problem(send, Problem(500, "fault", "Postroom failed", detail))
        else:
            await answer(send, 201, document)

    async def _taken(self, scope: Scope, receive: Receive) -> dict[str, Any]:
        token = await self._in_thread(partial(_authorized, field_of(scope, "authorization") or ""))
        file_name, media_type = _file_name(scope), _media_type(scope)
        key = field_of(scope, "idempotency-key")
        match = PATH.fullmatch(scope["path"])
        source_id = match[1] if match else ""
        self._arrivals.begin(token.pk)
        try:
            arriving = await self._in_thread(lambda: ArrivingReport(self._blobs, source_id, media_type))
            with arriving:
                async for block in blocks_of(chunks_of(scope, receive, self._most_bytes, TOTAL_S)):
                    await self._in_thread(partial(arriving.feed, block))
                actor = f"API token {token.name}"
                return pushed_json(
                    *await self._in_thread(lambda: arriving.finish(file_name, actor, key, timezone.now()))
                )
        finally:
            self._arrivals.end(token.pk)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _with_storage, work)


def _with_storage(work: Callable[[], T]) -> T:
    """What `work` makes. Where the database does not answer, its thread begins anew. Raises Problem."""
    try:
        return work()
    except DatabaseError as error:
        connection.close()
        raise storage_problem(StorageBusy(str(error))) from error


def _authorized(authorization: str) -> ApiToken:
    """The token that may push: of scope send or admin. Raises Problem (blocking)."""
    token = client_of(bearer_of(authorization))
    if token is None:
        raise unauthorized()
    if not may(token, "send"):
        raise forbidden("send")
    note_use(token)
    return token


def _file_name(scope: Scope) -> str:
    """The label that the query names, "" without one. Raises Problem."""
    try:
        pairs = parse_qsl(scope.get("query_string", b"").decode("ascii"), max_num_fields=5, errors="strict")
    except (ValueError, UnicodeError):
        raise Problem(400, "malformed", "The request can't be read", "The query is not percent-encoded.") from None
    unknown = [name for name, _ in pairs if name != _FILE_NAME]
    if unknown or len(pairs) > 1:
        text = worded("There is no such field here.")
        raise invalid_fields([FieldError(name[:100], "unknown", text) for name in unknown or [_FILE_NAME]])
    return pairs[0][1][:1_000] if pairs else ""


def _media_type(scope: Scope) -> str:
    if (field_of(scope, "content-encoding") or "identity") != "identity":
        raise Problem(415, "unsupported-type", "The body has another type", "Send it without Content-Encoding.")
    kind = field_of(scope, "content-type") or ""
    # What curl sends with --data-binary unless it is told otherwise: it says nothing of the file.
    return "" if kind.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded" else media_type_of(kind)
