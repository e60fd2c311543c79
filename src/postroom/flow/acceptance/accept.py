"""Accept a message: refuse early, choose the server, compose, store the bytes, queue; only then answer (D1).

Everything before the queue's commit can be repeated; after it the message is ours. A storage error is "unknown": the
client gets no 2xx and repeats with its Idempotency-Key (D4, U4).
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from django.db import DatabaseError, connection
from django.utils import timezone

from postroom.message.draft import Segment
from postroom.store.blobs import Blobs
from postroom.store.content import INLINE_BYTES, BlobPart, Contents, FrozenContent
from postroom.store.models import ApiToken, IdempotencyKey
from postroom.store.queue import Enqueued, IdempotencyConflict, NewMessage, Queue
from postroom.store.uploads import uploads_of
from postroom.store.writer import StorageBusy, StorageUnknown
from postroom.terms.header import file_label
from postroom.terms.outcome import DeliveryState
from postroom.terms.problem import FieldError, Problem, invalid_fields

from ..messages.attached import Attached, Filed
from ..messages.request import Client, Request, batch_requests, key_conflict, scope_of, single_request
from ..messages.storage_problem import storage_problem
from ..recipients.unsubscribe import foresee_links
from .current import Current, read_current
from .fresh import Fresh
from .queue_room import QueueRoom, queue_room
from .ready import Ready, Refused, ready_message
from .test_mode import metadata_of

# A batch names so many faults at most; the rest come with the next try.
ERRORS = 50
FILES_AT_ONCE = 8
COMMITTED_AT_ONCE = 250
# To make the text of so many characters of HTML keeps the event loop for some milliseconds (B4).
HTML_AT_ONCE = 4_000
_ID_CHARACTERS = 100
_SMALL = Attached()
# What a write may come to that its client hears of.
_STORAGE = (IdempotencyConflict, StorageBusy, StorageUnknown, OSError)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted message, as it is answered."""

    enqueued: Enqueued

    def as_json(self) -> dict[str, Any]:
        deliveries = [
            {"id": delivery_id, "recipient": recipient, "state": str(DeliveryState.QUEUED)}
            for delivery_id, recipient in self.enqueued.deliveries
        ]
        return {"id": self.enqueued.id, "deliveries": deliveries}


class Acceptor:
    """The one way in for messages, whatever door they come through.

    `executor` runs what blocks (database reads, composing, writing files). Every method raises Problem.
    """

    def __init__(
        self, queue: Queue, blobs: Blobs, executor: Executor | None = None, room: QueueRoom | None = None
    ) -> None:
        self._queue = queue
        self._room = room or queue_room()
        self._blobs = blobs
        self._contents = Contents(blobs)
        self._executor = executor
        self._current: Fresh[None, Current] = Fresh(lambda _: read_current(), executor)

    async def accept(self, body: Any, client: Client, idempotency_key: str | None = None) -> Accepted:
        """The message of `body` (parsed JSON), durably queued."""
        return (await self._accepted([single_request(body, idempotency_key)], client))[0]

    async def accept_small(self, body: Any, client: Client, idempotency_key: str | None = None) -> Accepted:
        """As `accept`, for a body of a few KiB. What can't be taken at once is looked at again thoroughly before it is
        refused."""
        if self._current.young(None) is None:
            with suppress(Problem, DatabaseError):  # `accept` meets it again
                await self._current.get(None)
        enqueuing = self.accepted_at_once(body, client, idempotency_key)
        if enqueuing is None:
            return await self.accept(body, client, idempotency_key)
        try:
            return Accepted(await enqueuing)
        except _STORAGE as error:
            raise storage_problem(error) from error

    def accepted_at_once(
        self, body: Any, client: Client, idempotency_key: str | None = None
    ) -> "asyncio.Future[Enqueued] | None":
        """A message of a few KiB on its way into the queue: composed here and now, with servers that were read within
        the last second. None where that can't be; `accept` says why, or takes it. `storage_problem` words what the
        future raises."""
        current = self._current.young(None)
        if current is None or not isinstance(body, dict) or "unsubscribe" in body or "template" in body:
            return None  # with one of these a row is written, or rows are read
        if body.get("text") is None and isinstance(html := body.get("html"), str) and len(html) > HTML_AT_ONCE:
            return None
        try:
            request = single_request(body, idempotency_key)
            ready = _ready(request, current, client, _SMALL)
            new = _new_message(request, ready, client, _content(ready))
            size_bytes, deliveries = ready.composed.size_bytes, len(new.recipients)
            if size_bytes > INLINE_BYTES or not self._room.takes(new.client_key, deliveries):
                return None
            self._blobs.room.take(size_bytes, deliveries)
        except (Refused, Problem, DatabaseError, OSError):
            return None
        enqueuing = asyncio.ensure_future(self._queue.enqueue(new))
        self._room.note(new.client_key, deliveries, enqueuing)
        return enqueuing

    async def accept_batch(
        self, body: Any, client: Client, idempotency_key: str | None = None
    ) -> list[Accepted]:
        """All messages of `{"messages": […]}`, or none of them when one can't be taken."""
        return await self._accepted(batch_requests(body, idempotency_key), client)

    async def accept_each(self, requests: Sequence[Request], client: Client) -> list[Accepted]:
        """All messages of these requests, each under the key that it brings; or none of them when one can't be taken.
        Errors name fields with the place of their request before them."""
        return await self._accepted(requests, client)

    async def _accepted(self, requests: Sequence[Request], client: Client) -> list[Accepted]:
        await self._room.check(scope_of(client), len(requests))
        checked = await self._in_thread(lambda: _checked(requests, client, self._blobs))
        # Several files are synced at once: each waits for the disk, not for the processor.
        many = any(isinstance(item, Ready) and item.composed.size_bytes > INLINE_BYTES for _, item in checked)
        count = min(FILES_AT_ONCE, len(checked)) if many else 1
        parts = [checked[start::count] for start in range(count)]
        stored = await asyncio.gather(*(self._in_thread(partial(self._stored, part, client)) for part in parts))
        return await self._enqueued([stored[n % count][n // count] for n in range(len(checked))])

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _stored(self, checked: "Sequence[_Checked]", client: Client) -> list[NewMessage | Enqueued]:
        """What of each message is too large for the database on the disk, synced; nothing is queued yet."""
        try:
            return [
                item if isinstance(item, Enqueued)
                else _new_message(request, item, client, self._contents.kept(_content(item)))
                for request, item in checked
            ]
        except OSError as error:
            raise storage_problem(error) from error

    async def _enqueued(self, items: Sequence[NewMessage | Enqueued]) -> list[Accepted]:
        new = [item for item in items if isinstance(item, NewMessage)]
        client_key, count = new[0].client_key if new else "", sum(len(item.recipients) for item in new)
        try:
            self._blobs.room.take(sum(len(item.content.inline_octets) for item in new), count)
        except OSError as error:
            raise storage_problem(error) from error
        async with self._room.taken(client_key, count):
            return await self._all_enqueued(items)

    async def _all_enqueued(self, items: Sequence[NewMessage | Enqueued]) -> list[Accepted]:
        """Together, so many at once that the database is not kept from others for long."""
        new = [item for item in items if isinstance(item, NewMessage)]
        answers: list[Enqueued] = []
        try:
            for start in range(0, len(new), COMMITTED_AT_ONCE):
                for answer in await self._queue.enqueue_all(new[start:start + COMMITTED_AT_ONCE]):
                    if isinstance(answer, IdempotencyConflict):
                        raise answer
                    answers.append(answer)
        except _STORAGE as error:
            raise storage_problem(_after_a_part(error) if answers else error) from error
        fresh = iter(answers)
        return [Accepted(item if isinstance(item, Enqueued) else next(fresh)) for item in items]


def _after_a_part(error: Exception) -> Exception:
    """What broke a batch off of which a part is stored: nobody may be told that nothing was (D6)."""
    return StorageUnknown(f"a part was stored: {error}") if isinstance(error, StorageBusy) else error


def previewed(body: Any) -> Ready:
    """The message as `Acceptor.accept` would store it now; nothing is stored. Raises Problem."""
    try:
        return ready_message(Request(body), read_current(), timezone.now())
    except Refused as refusal:
        raise invalid_fields(refusal.errors) from None


_Checked = tuple[Request, Enqueued | Ready]


def _checked(requests: Sequence[Request], client: Client, blobs: Blobs) -> list[_Checked]:
    """Each request composed, its large files stored, or what it was answered before. Raises Problem when any of them
    can't be taken."""
    ready: list[_Checked] = []
    errors: list[FieldError] = []
    try:
        current = read_current()
        attached = Filed(blobs, uploads_of(scope_of(client), _blob_ids(requests), timezone.now()))
        if len(requests) > 1:
            foresee_links((request.body for request in requests), timezone.now())
        for request in requests:
            try:
                ready.append((request, _earlier(request, client) or _ready(request, current, client, attached)))
            except Refused as refusal:
                errors += refusal.errors
    except DatabaseError as error:
        connection.close()
        raise storage_problem(StorageBusy(str(error))) from error
    except OSError as error:
        raise storage_problem(error) from error
    if errors:
        raise invalid_fields(errors[:ERRORS])
    return ready


def _ready(request: Request, current: Current, client: Client, attached: Attached) -> Ready:
    return ready_message(request, current, timezone.now(), attached, client_id=_client_id(client))


def _blob_ids(requests: Sequence[Request]) -> set[str]:
    """Uploads that are named, as far as can be told before what was submitted is checked."""
    found: set[str] = set()
    for request in requests:
        listed = request.body.get("attachments") if isinstance(request.body, dict) else None
        for item in listed if isinstance(listed, list) else ():
            if isinstance(item, dict) and isinstance(item.get("blob"), str):
                found.add(item["blob"][:_ID_CHARACTERS])
    return found


def _client_id(client: Client) -> str:
    """Whom rules know; "" for people and the command line."""
    return client.id if isinstance(client, ApiToken) else ""


def _content(ready: Ready) -> FrozenContent:
    return FrozenContent(tuple(
        BlobPart(part.name, part.size_bytes) if isinstance(part, Segment) else part for part in ready.composed.parts
    ))


def _new_message(request: Request, ready: Ready, client: Client, content: FrozenContent) -> NewMessage:
    submitted, composed, draft = ready.submitted, ready.composed, ready.draft
    return NewMessage(
        message_id=ready.message_id,
        reverse_path=composed.from_address,
        from_header=str(draft.from_header)[:500],
        recipients=composed.recipients,
        content=content,
        created_at=ready.accepted_at,
        expires_at=ready.expires_at,
        client_id=client.id if isinstance(client, ApiToken) else None,
        client_name=client.name[:100] if client else "command line",
        server_id=ready.server.id,
        pinned=ready.is_bound,
        subject=draft.subject,
        purpose=submitted.purpose,
        priority=submitted.priority,
        list_name=submitted.unsubscribe or "",
        needs_8bit=composed.needs_8bit,
        needs_smtputf8=composed.needs_smtputf8,
        attachments=[
            {"filename": file_label(a.file_name), "content_type": a.media_type, "size_bytes": a.size_bytes}
            for a in draft.attachments
        ],
        tags=list(submitted.tags),
        metadata={**submitted.metadata, **metadata_of(ready.test_mode, ready.true_recipients)},
        send_at=submitted.send_at,
        idempotency_scope=scope_of(client),
        idempotency_key=request.key,
        request_digest=request.digest,
    )


def _earlier(request: Request, client: Client) -> Enqueued | None:
    """What the same request was answered before; the queue decides again at its commit."""
    if request.key is None:
        return None
    row = IdempotencyKey.objects.filter(scope=scope_of(client), key=request.key).first()
    if row is None:
        return None
    if row.request_digest != request.digest:
        raise key_conflict()
    deliveries = row.message.deliveries.order_by("id").values_list("id", "recipient")
    return Enqueued(row.message_id, tuple(deliveries), replayed=True)
