"""The hot door: `POST /api/v1/messages`, `/api/v1/messages/batch` and `/api/v1/blobs`, on bare ASGI before Django.

Order of work: who asks, may they, how large; only then is the body read. 202 is sent after the queue's commit is
synced (D1). A small message is read, composed and queued in the event loop, without a thread of its own and without a
question to the database; whatever is larger, or can't be taken, goes the thorough way.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from postroom.flow.acceptance.accept import Accepted, Acceptor
from postroom.flow.messages.storage_problem import storage_problem
from postroom.store.blobs import Blobs
from postroom.store.models import ApiToken
from postroom.store.outbox import Outbox, open_outbox
from postroom.store.queue import Enqueued, IdempotencyConflict
from postroom.store.writer import StorageBusy, StorageUnknown
from postroom.terms.problem import Problem
from postroom.terms.strict_json import JsonProblem, strict_json

from .clients import Clients
from .exchange import (
    ClientGone,
    Fields,
    Receive,
    Scope,
    Send,
    answer,
    answer_problem,
    body_of,
    field_of,
    fields_of,
    json_octets,
    length_of,
)
from .large_bodies import LARGE_BYTES, Arrivals, LargeBodies
from .uploads import BLOBS, Uploads

MESSAGES = "/api/v1/messages"
BATCH = "/api/v1/messages/batch"
BODY_BYTES = 35 * 1024 * 1024
# A body of at most this size is parsed and composed in the event loop, in less than a millisecond.
SMALL_BYTES = 64 * 1024
# Threads that read the database, compose, and write files; most of their time is spent waiting for the disk.
THREADS = 8

log = logging.getLogger("postroom.intake")
T = TypeVar("T")


class Intake:
    """The application; `start` and `stop` frame its life, for the outbox has a thread that owns a connection."""

    def __init__(self, blobs: Path, body_bytes: int = BODY_BYTES) -> None:
        self._blobs, self._body_bytes = blobs, body_bytes
        self._outbox: Outbox | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._acceptor: Acceptor | None = None
        self._clients: Clients | None = None
        self._large: LargeBodies | None = None
        self._uploads: Uploads | None = None

    def start(self) -> None:
        outbox = self._outbox = open_outbox()
        threads = self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="intake")
        self._acceptor = Acceptor(outbox.queue, Blobs(self._blobs), threads)
        self._clients = Clients(outbox, threads)
        arrivals = Arrivals()
        self._large = LargeBodies(self._blobs.with_name("arriving"), arrivals, threads)
        self._uploads = Uploads(self._blobs, arrivals, threads)

    def stop(self) -> None:
        """Finish what was begun."""
        if self._threads is not None:
            self._threads.shutdown(wait=True)
        if self._outbox is not None:
            self._outbox.close()
        self._outbox = self._threads = self._acceptor = self._clients = self._large = self._uploads = None

    @staticmethod
    def takes(scope: Scope) -> bool:
        """Whether a request is this door's."""
        return scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in (MESSAGES, BATCH, BLOBS)

    def taken_at_once(self, scope: Scope, octets: bytes) -> "asyncio.Future[Enqueued] | None":
        """A small message that is here as a whole, on its way into the queue without anything to wait for.

        None where that can't be: then nothing was done yet, and the application itself is to be called."""
        clients, acceptor = self._clients, self._acceptor
        is_small = scope["path"] == MESSAGES and scope["method"] == "POST" and len(octets) <= SMALL_BYTES
        if not is_small or clients is None or acceptor is None:
            return None
        try:
            client = clients.known(scope)
            if client is None or length_of(scope) != len(octets):
                return None
            _check_type(scope)
            return acceptor.accepted_at_once(_json(octets), client, field_of(scope, "idempotency-key"))
        except Exception:  # noqa: BLE001 - the application meets it again, and says it to the client
            return None

    @staticmethod
    def answer_of(enqueued: Enqueued) -> tuple[int, Fields, bytes]:
        """Status, header and body of the answer to a message that was queued."""
        octets = json_octets(Accepted(enqueued).as_json())
        return 202, fields_of("application/json", octets), octets

    async def answer_taken(self, taken: "asyncio.Future[Enqueued]", send: Send) -> None:
        """Answer what `taken_at_once` gave, whatever became of it."""

        async def told() -> tuple[int, dict[str, Any]]:
            try:
                return 202, Accepted(await taken).as_json()
            except (IdempotencyConflict, StorageBusy, StorageUnknown, OSError) as error:
                raise storage_problem(error) from error

        await self._answer(told(), send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(self._taken_in(scope, receive), send)

    async def _answer(self, taking: Coroutine[Any, Any, tuple[int, dict[str, Any]]], send: Send) -> None:
        try:
            status, document = await taking
        except Problem as problem:
            await answer_problem(send, problem)
        except ClientGone:
            log.info("a client left before its message was complete")
        except Exception:
            log.exception("a message could not be accepted")
            detail = "The fault is written to the log of Postroom. Send the message again with its Idempotency-Key."
            await answer_problem(send, Problem(500, "fault", "Postroom failed", detail))
        else:
            await answer(send, status, document)

    async def _taken_in(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, Any]]:
        clients, uploads = self._clients, self._uploads
        if clients is None or uploads is None:
            raise _stopping()
        client = await clients.authorized(scope)
        if scope["path"] == BLOBS:
            return 201, await uploads.taken(scope, receive, client)
        return 202, await self._accepted(scope, receive, client)

    async def _accepted(self, scope: Scope, receive: Receive, client: ApiToken) -> dict[str, Any]:
        acceptor, large = self._acceptor, self._large
        if acceptor is None or large is None:
            raise _stopping()
        _check_type(scope)
        key = field_of(scope, "idempotency-key")
        told = length_of(scope)
        if told is not None and told <= SMALL_BYTES and scope["path"] == MESSAGES:
            body = _json(await body_of(scope, receive, SMALL_BYTES))
            return (await acceptor.accept_small(body, client, key)).as_json()
        if told is not None and told <= LARGE_BYTES:
            octets = await body_of(scope, receive, LARGE_BYTES)
            return await self._taken(acceptor, scope["path"], octets, client, key)
        async with large.body(scope, receive, self._body_bytes, client.id) as octets:
            return await self._taken(acceptor, scope["path"], octets, client, key)

    async def _taken(
        self, acceptor: Acceptor, path: str, octets: bytes, client: ApiToken, key: str | None
    ) -> dict[str, Any]:
        body = await self._in_thread(lambda: _json(octets))
        if path == BATCH:
            return {"messages": [accepted.as_json() for accepted in await acceptor.accept_batch(body, client, key)]}
        return (await acceptor.accept(body, client, key)).as_json()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _stopping() -> Problem:
    return Problem(503, "stopping", "Postroom is stopping", "Send it again in a minute.", retry_after_s=10)


def _json(octets: bytes) -> Any:
    try:
        return strict_json(octets)
    except JsonProblem as problem:
        raise Problem(400, "malformed", "The request can't be read", str(problem)) from None


def _check_type(scope: Scope) -> None:
    kind = (field_of(scope, "content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json" or (field_of(scope, "content-encoding") or "identity") != "identity":
        detail = "Send JSON, as Content-Type: application/json and without Content-Encoding."
        raise Problem(415, "unsupported-type", "The body has another type", detail)
