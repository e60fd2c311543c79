"""The hot door: `POST /api/v1/messages` and `/api/v1/messages/batch`, on bare ASGI in front of Django.

Order of work: who asks, may they, how large; only then is the body read. 202 is sent after the queue's commit is
synced (D1).
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from django.db import DatabaseError, connection
from django.utils import timezone

from postroom.flow.accept import Acceptor
from postroom.flow.tokens import bearer_of, client_of, may, use_is_worth_noting
from postroom.store.blobs import Blobs
from postroom.store.models import ApiToken
from postroom.store.outbox import Outbox, open_outbox
from postroom.store.writer import StorageBusy
from postroom.terms.problem import Problem, forbidden, unauthorized
from postroom.terms.strict_json import JsonProblem, strict_json

from .exchange import ClientGone, Receive, Scope, Send, answer, answer_problem, body_of, field_of, length_of

MESSAGES = "/api/v1/messages"
BATCH = "/api/v1/messages/batch"
BODY_BYTES = 35 * 1024 * 1024
# A body above this size is large: it is copied several times on its way, so only a few are taken at once.
LARGE_BYTES = 1024 * 1024
LARGE_AT_ONCE = 2
LARGE_WAIT_S = 60.0
# Threads that read the database, compose, and write files; most of their time is spent waiting for the disk.
THREADS = 8

log = logging.getLogger("postroom.intake")
T = TypeVar("T")


class Intake:
    """The application; `start` and `stop` frame its life, for the writer is a thread that owns a connection."""

    def __init__(self, blobs: Path, body_bytes: int = BODY_BYTES) -> None:
        self._blobs, self._body_bytes = blobs, body_bytes
        self._outbox: Outbox | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._acceptor: Acceptor | None = None
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    def start(self) -> None:
        self._outbox = open_outbox()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="intake")
        self._acceptor = Acceptor(self._outbox.queue, Blobs(self._blobs), self._threads)

    def stop(self) -> None:
        """Finish what was begun."""
        if self._threads is not None:
            self._threads.shutdown(wait=True)
        if self._outbox is not None:
            self._outbox.close()
        self._outbox = self._threads = self._acceptor = None

    @staticmethod
    def takes(scope: Scope) -> bool:
        """Whether a request is this door's."""
        return scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in (MESSAGES, BATCH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            document = await self._accepted(scope, receive)
        except Problem as problem:
            await answer_problem(send, problem)
        except ClientGone:
            log.info("a client left before its message was complete")
        except Exception:
            log.exception("a message could not be accepted")
            detail = "The fault is written to the log of Postroom. Send the message again with its Idempotency-Key."
            await answer_problem(send, Problem(500, "fault", "Postroom failed", detail))
        else:
            await answer(send, 202, document)

    async def _accepted(self, scope: Scope, receive: Receive) -> dict[str, Any]:
        client = await self._authorized(scope)
        _check_type(scope)
        key = field_of(scope, "idempotency-key")
        told = length_of(scope)
        if told is not None and told <= LARGE_BYTES:
            return await self._taken(scope, receive, client, key)
        try:
            await asyncio.wait_for(self._large.acquire(), LARGE_WAIT_S)
        except TimeoutError:
            detail = "Too many large messages are arriving at once. Send it again in a minute."
            raise Problem(503, "busy", "Postroom is busy", detail, retry_after_s=60) from None
        try:
            return await self._taken(scope, receive, client, key)
        finally:
            self._large.release()

    async def _taken(self, scope: Scope, receive: Receive, client: ApiToken, key: str | None) -> dict[str, Any]:
        acceptor = self._acceptor
        if acceptor is None:
            raise Problem(503, "stopping", "Postroom is stopping", "Send it again in a minute.", retry_after_s=10)
        body = await self._json(await body_of(scope, receive, self._body_bytes))
        if scope["path"] == BATCH:
            return {"messages": [accepted.as_json() for accepted in await acceptor.accept_batch(body, client, key)]}
        return (await acceptor.accept(body, client, key)).as_json()

    async def _json(self, octets: bytes) -> Any:
        try:
            if len(octets) <= LARGE_BYTES:
                return strict_json(octets)
            return await self._in_thread(lambda: strict_json(octets))
        except JsonProblem as problem:
            raise Problem(400, "malformed", "The request can't be read", str(problem)) from None

    async def _authorized(self, scope: Scope) -> ApiToken:
        plain = bearer_of(field_of(scope, "authorization") or "")
        client = await self._in_thread(lambda: _client(plain)) if plain else None
        if client is None:
            raise unauthorized()
        if not may(client, "send"):
            raise forbidden("send")
        self._note_use(client)
        return client

    def _note_use(self, client: ApiToken) -> None:
        if self._outbox is None or not use_is_worth_noting(client):
            return
        try:
            # Nobody waits for it: a use that could not be noted is noted with the next request.
            self._outbox.note_use(client.id, timezone.now())
        except StorageBusy:
            log.info("the use of a token was not noted: the database is busy")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _client(plain: str) -> ApiToken | None:
    try:
        return client_of(plain)
    except DatabaseError as error:
        connection.close()
        detail = "The database can't be read now. Send the message again."
        raise Problem(503, "storage-busy", "The message could not be stored now", detail, retry_after_s=5) from error


def _check_type(scope: Scope) -> None:
    kind = (field_of(scope, "content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json" or (field_of(scope, "content-encoding") or "identity") != "identity":
        detail = "Send JSON, as Content-Type: application/json and without Content-Encoding."
        raise Problem(415, "unsupported-type", "The body has another type", detail)
