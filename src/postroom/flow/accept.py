"""Accept a message: refuse early, choose the server, compose, store the bytes, queue; only then answer (D1).

Everything before the queue's commit can be repeated; after it the message is ours. A storage error is "unknown": the
client gets no 2xx and repeats with its Idempotency-Key (D4, U4).
"""

import asyncio
import errno
import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from django.db import DatabaseError, connection
from django.utils import timezone
from pydantic import ValidationError

from postroom.message.compose import Composed, compose
from postroom.message.draft import Draft, DraftProblem
from postroom.policy.retry import LIFETIME
from postroom.policy.route import Candidate, route
from postroom.store.blobs import Blobs
from postroom.store.content import Contents, FrozenContent
from postroom.store.hot_reads import smtp_servers
from postroom.store.ids import new_id
from postroom.store.models import ApiToken, IdempotencyKey, SmtpServer
from postroom.store.queue import Enqueued, IdempotencyConflict, NewMessage, Queue
from postroom.store.writer import StorageBusy, StorageUnknown
from postroom.terms.header import file_label, is_message_id
from postroom.terms.outcome import DeliveryState
from postroom.terms.problem import FieldError, Problem, invalid_fields, too_large
from postroom.terms.wording import worded

from .submitted import BATCH, RECIPIENTS, SubmittedMessage, field_errors
from .to_draft import DraftRefused, draft_of

LATEST_SEND = timedelta(days=366)
KEY_CHARACTERS = 200
FILES_AT_ONCE = 8
# A batch names so many faults at most; the rest come with the next try.
ERRORS = 50
_SUBJECT_CHARACTERS = 998
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who writes a message in a page; the id keeps apart the idempotency keys of different people."""

    id: str
    name: str


# None is this machine's command line.
Client = ApiToken | Person | None


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


@dataclass(frozen=True, slots=True)
class Request:
    """One submitted message with its place among others ("" alone, "messages.3." in a batch)."""

    body: Any
    place: str = ""
    key: str | None = None
    digest: str = ""


class Acceptor:
    """The one way in for messages, whatever door they come through.

    `executor` runs what blocks (database reads, composing, writing files). Every method raises Problem.
    """

    def __init__(self, queue: Queue, blobs: Blobs, executor: Executor | None = None) -> None:
        self._queue = queue
        self._contents = Contents(blobs)
        self._executor = executor

    async def accept(self, body: Any, client: Client, idempotency_key: str | None = None) -> Accepted:
        """The message of `body` (parsed JSON), durably queued."""
        key = checked_key(idempotency_key)
        new = await self._in_thread(lambda: self._stored(self._checked([_request(body, key)], client), client))
        return (await self._enqueued(new))[0]

    async def accept_batch(
        self, body: Any, client: Client, idempotency_key: str | None = None
    ) -> list[Accepted]:
        """All messages of `{"messages": […]}`, or none of them when one can't be taken."""
        messages = _messages_of(body)
        key = checked_key(idempotency_key)
        checked = await self._in_thread(lambda: self._checked(_requests(body, messages, key), client))
        # Several files are synced at once: each waits for the disk, not for the processor.
        parts = [checked[start::FILES_AT_ONCE] for start in range(min(FILES_AT_ONCE, len(checked)))]
        stored = await asyncio.gather(*(self._in_thread(partial(self._stored, part, client)) for part in parts))
        new = [stored[n % len(parts)][n // len(parts)] for n in range(len(checked))]
        return await self._enqueued(new)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _checked(self, requests: Sequence[Request], client: Client) -> "list[_Checked]":
        """Each request composed, or what it was answered before. Raises Problem when any of them can't be taken."""
        try:
            return _all_ready(requests, client, timezone.now())
        except DatabaseError as error:
            connection.close()
            raise _storage_problem(StorageBusy(str(error))) from error

    def _stored(self, checked: "Sequence[_Checked]", client: Client) -> list[NewMessage | Enqueued]:
        """What of each message is too large for the database on the disk, synced; nothing is queued yet."""
        try:
            return [
                item if isinstance(item, Enqueued) else self._new_message(request, item, client)
                for request, item in checked
            ]
        except OSError as error:
            raise _storage_problem(error) from error

    def _new_message(self, request: Request, ready: "Ready", client: Client) -> NewMessage:
        submitted, composed, draft = ready.submitted, ready.composed, ready.draft
        return NewMessage(
            message_id=ready.message_id,
            reverse_path=composed.from_address,
            from_header=str(draft.from_header)[:500],
            recipients=composed.recipients,
            content=self._contents.kept(FrozenContent((composed.content,))),
            created_at=ready.accepted_at,
            expires_at=ready.expires_at,
            client_id=client.id if isinstance(client, ApiToken) else None,
            client_name=client.name[:100] if client else "command line",
            server_id=ready.server.id,
            pinned=submitted.server is not None,
            subject=draft.subject,
            purpose=submitted.purpose,
            priority=submitted.priority,
            needs_8bit=composed.needs_8bit,
            needs_smtputf8=composed.needs_smtputf8,
            attachments=[
                {"filename": file_label(a.file_name), "content_type": a.media_type, "size_bytes": a.size_bytes}
                for a in draft.attachments
            ],
            tags=list(submitted.tags),
            metadata=dict(submitted.metadata),
            send_at=submitted.send_at,
            idempotency_scope=scope_of(client),
            idempotency_key=request.key,
            request_digest=request.digest,
        )

    async def _enqueued(self, items: Sequence[NewMessage | Enqueued]) -> list[Accepted]:
        async def one(item: NewMessage | Enqueued) -> Enqueued:
            return item if isinstance(item, Enqueued) else await self._queue.enqueue(item)

        results = await asyncio.gather(*(one(item) for item in items), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise _storage_problem(result) from result
        return [Accepted(result) for result in results if isinstance(result, Enqueued)]


def checked_key(key: str | None) -> str | None:
    """An Idempotency-Key of 1 to 200 printable ASCII characters, or none. Raises Problem."""
    if key is None:
        return None
    if not key or len(key) > KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
        text = worded("An Idempotency-Key has 1 to {most} printable ASCII characters.", most=KEY_CHARACTERS)
        raise invalid_fields([FieldError("Idempotency-Key", "invalid", text)])
    return key


def _request(body: Any, key: str | None) -> Request:
    return Request(body, "", key, "" if key is None else request_digest(body))


def _requests(body: Any, messages: Sequence[Any], key: str | None) -> list[Request]:
    """Each message of a batch under a key of its own, with the digest of the whole."""
    digest = "" if key is None else request_digest(body)
    return [
        Request(message, f"messages.{n}.", None if key is None else f"{key}#{n}", digest)
        for n, message in enumerate(messages)
    ]


def request_digest(body: Any) -> str:
    """Digest of parsed JSON, the same for any order of names and any white space."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def scope_of(client: Client) -> str:
    return client.id if client else "local"


def previewed(body: Any) -> "Ready":
    """The message as `Acceptor.accept` would store it now; nothing is stored. Raises Problem."""
    try:
        return _ready(Request(body), smtp_servers(), timezone.now())
    except _Refused as refusal:
        raise invalid_fields(refusal.errors) from None


@dataclass(frozen=True, slots=True)
class Ready:
    """A message that nothing but the disk can stop."""

    submitted: SubmittedMessage
    draft: Draft
    composed: Composed
    message_id: str
    server: SmtpServer
    accepted_at: datetime
    expires_at: datetime


_Checked = tuple[Request, Enqueued | Ready]


class _Refused(Exception):
    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__()
        self.errors = errors


def _messages_of(body: Any) -> list[Any]:
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not 1 <= len(messages) <= BATCH:
        text = worded("Enter a list of 1 to {most} messages.", most=BATCH)
        raise invalid_fields([FieldError("messages", "invalid", text)])
    others = [name for name in body if name != "messages"]
    if others:
        text = worded("There is no such field here.")
        raise invalid_fields([FieldError(name, "unknown", text) for name in others[:20]])
    return messages


def _all_ready(requests: Sequence[Request], client: Client, now: datetime) -> list[_Checked]:
    servers = smtp_servers()
    ready: list[_Checked] = []
    errors: list[FieldError] = []
    for request in requests:
        try:
            ready.append((request, _earlier(request, client) or _ready(request, servers, now)))
        except _Refused as refusal:
            errors += refusal.errors
    if errors:
        raise invalid_fields(errors[:ERRORS])
    return ready


def _ready(request: Request, servers: Sequence[SmtpServer], now: datetime) -> Ready:
    try:
        submitted = SubmittedMessage.model_validate(request.body)
    except ValidationError as error:
        raise _Refused(field_errors(error, request.place)) from None
    server = _server_for(submitted, servers, request.place)
    errors = _time_errors(submitted, now)
    try:
        draft = draft_of(submitted, server.typed_settings)
    except DraftRefused as refusal:
        raise _Refused([_placed(error, request.place) for error in (*errors, *refusal.errors)]) from None
    domain = draft.from_header.address.domain.strip("[]").removeprefix("IPv6:").replace(":", ".")
    message_id = _submitted_message_id(submitted) or f"<{new_id().lower()}@{domain}>"
    try:
        composed = compose(draft, message_id=message_id, date=now, boundary_seed=secrets.token_hex(16))
    except DraftProblem as problem:
        errors.append(FieldError(problem.field, "invalid", problem.text))
        raise _Refused([_placed(error, request.place) for error in errors]) from None
    errors += _size_errors(draft.subject, composed, server)
    if errors:
        raise _Refused([_placed(error, request.place) for error in errors])
    expires_at = submitted.expires_at or (submitted.send_at or now) + LIFETIME
    return Ready(submitted, draft, composed, message_id, server, now, max(expires_at, now))


def _placed(error: FieldError, place: str) -> FieldError:
    return FieldError(place + error.field, error.code, error.text, error.suggestion)


def _server_for(submitted: SubmittedMessage, servers: Sequence[SmtpServer], place: str) -> SmtpServer:
    """The server the client names, else that of the route; mail waits where none takes deliveries just now."""
    wanted = submitted.server
    if wanted is None:
        chosen = _routed(servers, lambda s: s.takes_deliveries) or _routed(servers, lambda s: s.enabled)
        if chosen is None:
            detail = "No SMTP server is switched on. Add one or switch one on in SMTP configuration, then send again."
            raise Problem(503, "no-smtp-server", "There is no SMTP server to send through", detail, retry_after_s=60)
        return chosen
    found = next((server for server in servers if wanted in (server.id, server.name)), None)
    if found is None or not found.enabled or not (found.is_verified or found.use_unverified):
        text = worded("No enabled and verified SMTP server has this name or id. Leave it out to use the default one.")
        raise _Refused([FieldError(f"{place}server", "not-found", text)])
    return found


def _routed(servers: Sequence[SmtpServer], takes: Callable[[SmtpServer], bool]) -> SmtpServer | None:
    candidate = route(Candidate(s.id, s.is_default, s.is_sandbox, s.position, takes(s)) for s in servers)
    return next((s for s in servers if candidate is not None and s.id == candidate.id), None)


def _time_errors(submitted: SubmittedMessage, now: datetime) -> list[FieldError]:
    errors = []
    if submitted.send_at is not None and submitted.send_at > now + LATEST_SEND:
        errors.append(FieldError(
            "send_at", "range", worded("Enter a time within {days} days from now.", days=LATEST_SEND.days)
        ))
    earliest = max(now, submitted.send_at) if submitted.send_at else now
    if submitted.expires_at is not None and not earliest < submitted.expires_at <= now + 2 * LATEST_SEND:
        errors.append(FieldError(
            "expires_at", "range", worded("Enter a time after now and after send_at, within two years.")
        ))
    return errors


def _size_errors(subject: str, composed: Composed, server: SmtpServer) -> list[FieldError]:
    errors = []
    if len(subject) > _SUBJECT_CHARACTERS:
        errors.append(FieldError(
            "subject", "too-long", worded("Shorten it: with the server's Subject Prefix it is too long.")
        ))
    if len(composed.recipients) > RECIPIENTS:
        errors.append(FieldError(
            "to", "too-many", worded("A message takes at most {most} recipients. Split it.", most=RECIPIENTS)
        ))
    limit = server.typed_settings.limits.size_bytes
    if limit is not None and len(composed.content) > limit:
        raise too_large(limit, f"composed message, for the server “{server.name}”,")
    return errors


def _submitted_message_id(submitted: SubmittedMessage) -> str | None:
    given = (text.strip(" ") for name, text in submitted.headers.items() if name.lower() == "message-id")
    return next((text for text in given if is_message_id(text)), None)


def _earlier(request: Request, client: Client) -> Enqueued | None:
    """What the same request was answered before; the queue decides again at its commit."""
    if request.key is None:
        return None
    row = IdempotencyKey.objects.filter(scope=scope_of(client), key=request.key).first()
    if row is None:
        return None
    if row.request_digest != request.digest:
        raise _conflict()
    deliveries = row.message.deliveries.order_by("id").values_list("id", "recipient")
    return Enqueued(row.message_id, tuple(deliveries), replayed=True)


def _conflict() -> Problem:
    detail = "This Idempotency-Key was used before with another body. Use a new key for a new message."
    return Problem(409, "idempotency-conflict", "The Idempotency-Key is taken", detail)


def _storage_problem(error: BaseException) -> BaseException:
    """What the client hears of a failed write; anything else stays what it is."""
    if isinstance(error, IdempotencyConflict):
        return _conflict()
    if (isinstance(error, OSError) and error.errno in _FULL) or (
        isinstance(error, StorageUnknown) and "full" in str(error)
    ):
        detail = "The disk of the data directory is full. Free some space; what was accepted still leaves."
        return Problem(507, "storage-full", "There is no space to store the message", detail, retry_after_s=60)
    if isinstance(error, StorageBusy):
        detail = "The database is busy and the message was not stored. Send it again."
        return Problem(503, "storage-busy", "The message could not be stored now", detail, retry_after_s=5)
    if isinstance(error, StorageUnknown | OSError):
        detail = "It is not known whether the message was stored. Send it again with the same Idempotency-Key."
        return Problem(503, "storage-unknown", "The storage did not confirm the message", detail, retry_after_s=5)
    return error
