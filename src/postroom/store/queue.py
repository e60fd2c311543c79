"""The queue's terms: what goes in, what a claim hands out, what a settlement brings back.

Contract of every queue, whatever database holds it:

* `enqueue` returns after the message and its deliveries are committed and synced, or raises.
* `claim` gives a delivery to one claimant until its lease ends, and records the attempt in the same commit (D8, U9).
  Each claim raises the delivery's `fence`.
* `settle` ends an attempt only while the delivery is still *sending* under that fence (U8); it answers for each
  settlement whether it was taken.
* Nothing is ever deleted; a lease that ended without settlement shows up in `abandoned` (D7).
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from postroom.terms.outcome import DeliveryState
from postroom.terms.server import Limits

from .content import FrozenContent
from .ids import new_id


class IdempotencyConflict(Exception):
    """The key was used before with another request."""


@dataclass(slots=True)
class NewMessage:
    """A message to accept; fields as the columns of `Message`. One delivery is made for each of `recipients`. Nobody
    changes it; it is not frozen, for that costs a call for each field.

    `content` is what `Contents.kept` gave. `pinned`: the client named the server.
    `idempotency_scope` is the client's id; without `idempotency_key` nothing is remembered. Times are aware.
    """

    message_id: str
    reverse_path: str
    from_header: str
    recipients: tuple[str, ...]
    content: FrozenContent
    created_at: datetime
    expires_at: datetime
    id: str = field(default_factory=new_id)
    client_id: str | None = None
    client_name: str = ""
    server_id: str | None = None
    pinned: bool = False
    subject: str = ""
    purpose: str = "notification"
    priority: int = 0
    list_name: str = ""
    needs_8bit: bool = False
    needs_smtputf8: bool = False
    attachments: list[Any] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    send_at: datetime | None = None
    idempotency_scope: str = ""
    idempotency_key: str | None = None
    request_digest: str = ""

    @property
    def client_key(self) -> str:
        """Whose it is: the client's id, a person's, or "local"."""
        return self.client_id or self.idempotency_scope[:26]

    @property
    def turn_key(self) -> str:
        """Whose turn it is when its deliveries are claimed: its client's with its purpose."""
        return f"{self.client_key}:{self.purpose[:1]}"


@dataclass(frozen=True, slots=True)
class Enqueued:
    """An accepted message: its id and (delivery id, recipient) in the order given. `replayed`: accepted earlier."""

    id: str
    deliveries: tuple[tuple[str, str], ...]
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """One claim of one delivery."""

    delivery_id: str
    attempt_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """What an attempt needs to know of a message. `home_id` is the server that was chosen at acceptance, None when that
    is removed; `pinned` when no other may carry the message. `content` is None where it is gone or can't be read, and
    where it is not needed."""

    id: str
    message_id: str
    reverse_path: str
    from_header: str
    subject: str
    purpose: str
    content_digest: str
    content_size: int
    content: FrozenContent | None = field(repr=False)
    needs_8bit: bool
    needs_smtputf8: bool
    created_at: datetime
    expires_at: datetime
    home_id: str | None = None
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery under lease. `attempt_count` counts this attempt; `transacting` tells that content may have left: it
    was marked, or its attempt is gone. `tried` are the servers of the attempts just before, from each of which the
    delivery moved on at once, and those that refused its sender or content before. `suppressed` is why its recipient
    gets no mail: where it is not "", nothing may be sent (S8)."""

    lease: Lease
    recipient: str
    server_id: str
    attempt_count: int
    uncertain_count: int
    message: QueuedMessage
    transacting: bool = False
    tried: tuple[str, ...] = ()
    suppressed: str = ""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A claimed delivery whose row can't be read (D9). `purpose` is the message's as far as that can be read;
    `transacting` as in `Claimed`."""

    lease: Lease
    recipient: str
    server_id: str
    problem: str
    purpose: str = ""
    transacting: bool = False


@dataclass(frozen=True, slots=True)
class Claims:
    """What one claim brought. `held_by`: the limit that lets nothing more through until `next_at`, by its API name."""

    claimed: tuple[Claimed, ...] = ()
    damaged: tuple[Damaged, ...] = ()
    next_at: datetime | None = None
    held_by: str = ""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of one attempt, or, with an empty `attempt_id`, of a delivery that waits.

    `due_at` is when the next attempt is due, None when there is none. `outcome` is empty when nothing was tried.
    `through` is the server of the attempt, by which it is counted.
    `uncertain` adds one to the delivery's `uncertain_count`. `server_id` is the server that has the delivery next, None
    for the same one; `moved_to` its name when the delivery moves there at once. `seconds` is how long the attempt took,
    where that was measured.
    """

    lease: Lease
    state: DeliveryState
    at: datetime
    due_at: datetime | None = None
    outcome: str = ""
    stage: str = ""
    reply_code: int | None = None
    enhanced_code: str = ""
    reply: str = ""
    cause: str = ""
    finding: dict[str, Any] | None = None
    uncertain: bool = False
    through: str = ""
    server_id: str | None = None
    moved_to: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Overdue:
    """A waiting delivery whose message has expired. `message` is the message's id here, `message_id` its header's."""

    lease: Lease
    recipient: str
    server_id: str | None
    message: str
    message_id: str
    subject: str
    last_reply: str


class Queue(Protocol):
    """The outbox. Every method may raise StorageUnknown or StorageBusy of `store.writer`."""

    def enqueue(self, new: NewMessage) -> Awaitable[Enqueued]:
        """Store the message; the earlier answer when its idempotency key was used with the same request before.

        Raises IdempotencyConflict when the key was used with another request."""

    def enqueue_all(self, messages: Sequence[NewMessage]) -> "Awaitable[list[Enqueued | IdempotencyConflict]]":
        """Store them in one commit; for each its answer as that of `enqueue`. Where one of them is a conflict nothing
        of the list is stored, and each is answered with that."""

    async def claim(
        self, server_id: str, *, now: datetime, lease_until: datetime, limit: int, limits: Limits | None = None
    ) -> Claims:
        """Lease due deliveries of a server, of at most `limit` messages and at most 200 in all: the higher priority
        first, within one priority a message of each client and purpose in turn, of these what was due first. The rates
        of `limits` are counted in the same transaction, for all engines together."""

    async def mark_transacting(self, leases: Sequence[Lease]) -> list[bool]:
        """Record that content may leave from now on (U10); for each whether it may: its attempt is not over yet."""

    async def renew(self, leases: Sequence[Lease], lease_until: datetime) -> None:
        """Extend the leases that still hold."""

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """End attempts, all in one commit; for each whether it was taken."""

    async def release(
        self, leases: Sequence[Lease], now: datetime, *, server_id: str = "", limits: Limits | None = None,
        messages: int = 0,
    ) -> None:
        """Give back what was claimed and never tried; no attempt is counted. With `messages`, so many no longer count
        against the rates of the server's `limits`; there may be no leases then."""

    async def take_back(self, leases: Sequence[Lease], now: datetime, *, lease_over: bool) -> None:
        """As `release`, of what `abandoned` found with the same `lease_over`, and of which nothing may have left. What
        was marked or renewed meanwhile stays *sending*: whoever had it is awake (U10)."""

    async def learn(self, server_id: str, sent: Sequence[tuple[datetime, int]], now: datetime) -> None:
        """Count against a server's limit per day what is known to have left: (time, messages), however often told."""

    async def abandoned(self, now: datetime, *, lease_over: bool) -> Claims:
        """Deliveries *sending* under a lease that is over, or under any lease with `lease_over` false; small contents
        are not read."""

    async def overdue(self, now: datetime, limit: int) -> list[Overdue]:
        """Waiting deliveries whose message has expired."""

    async def expire(self, settlements: Sequence[Settlement]) -> list[bool]:
        """End waiting deliveries without an attempt; for each whether it was still waiting."""

    async def assign(self, server_id: str) -> int:
        """Give every waiting delivery that has no server, and whose client named none, to this one; their number."""

    async def pass_on(self, server_id: str, to: str, now: datetime, limit: int) -> int:
        """Move at most `limit` due deliveries that wait for a server to another one; their number. Those stay whose
        client named the server, that may have been sent before, or that the other server refused before."""
