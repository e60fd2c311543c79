"""Sweep: remove stored contents that no message needs any more, and those that no message ever got.

Contents are shared, and the table of messages has no index by content: one would cost every accepted message. So a
sweep first reads which message refers to what, into a table of its own, and then goes through the files. What it would
remove it looks at again while it holds the database's write lock: nobody can queue, resend or retry meanwhile. A
message that is being accepted or resent put or renewed its file a moment ago, and a file that young is never removed
(see `Blobs.discard`).
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from postroom.store.blobs import Blobs
from postroom.store.models import Delivery, InstanceValue, Message, SandboxMessage
from postroom.terms.outcome import DeliveryState

SWEEP_EVERY = timedelta(hours=6)
# Between a file and the commit of its message lie seconds; after that nobody refers to it any more.
GRACE = timedelta(hours=1)
FILES_AT_ONCE = 100
_READ_AT_ONCE = 5_000
_SWEPT = "contents_swept_at"
_ENDED = (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.CANCELLED)


def is_sweep_due(now: datetime) -> bool:
    """A database that has never seen a sweep waits for its time, too: it may be an empty one that somebody is about to
    replace by a backup. A last sweep that lies ahead comes of a clock that was wrong."""
    row, _made = InstanceValue.objects.get_or_create(name=_SWEPT, defaults={"value": now.isoformat()})
    return abs(now - datetime.fromisoformat(str(row.value))) >= SWEEP_EVERY


def sweep(blobs: Blobs, since: datetime | None, now: datetime) -> Iterator[int]:
    """Remove what only messages need whose last delivery ended before `since`, or nobody at all; `since` None keeps
    every message's content. Each step is one short batch and says how many files went (blocking)."""
    with closing(sqlite3.connect("", check_same_thread=False)) as references:
        references.execute("CREATE TABLE reference (digest TEXT, message TEXT)")
        yield from _read(references)
        references.execute("CREATE INDEX by_digest ON reference (digest)")
        yield 0
        before_s = (now - GRACE).timestamp()
        for digests in blobs.older_than(before_s, FILES_AT_ONCE):
            going = _unneeded(references, digests, since, now)
            removed = 0
            if going:
                with transaction.atomic():
                    removed = blobs.discard(_unneeded(references, going, since, now), before_s)
            yield removed
    InstanceValue.objects.update_or_create(name=_SWEPT, defaults={"value": now.isoformat()})


def _read(references: sqlite3.Connection) -> Iterator[int]:
    """Which message refers to which content, a few thousand at a time."""
    last = ""
    while True:
        page = Message.objects.filter(pk__gt=last).order_by("pk").values_list("content_digest", "pk")
        rows = list(page[:_READ_AT_ONCE])
        if not rows:
            return
        references.executemany("INSERT INTO reference VALUES (?, ?)", rows)
        last = rows[-1][1]
        yield 0


def _unneeded(
    references: sqlite3.Connection, digests: Sequence[str], since: datetime | None, now: datetime
) -> list[str]:
    """Those of the contents that can go as the database is now."""
    marks = ", ".join("?" * len(digests))
    rows = references.execute(f"SELECT digest, message FROM reference WHERE digest IN ({marks})", digests).fetchall()
    needed = set(SandboxMessage.objects.filter(content_digest__in=digests).values_list("content_digest", flat=True))
    # Those accepted while the sweep reads: an old content can have got a new message by resending.
    recent = Message.objects.filter(created_at__gte=now - GRACE, content_digest__in=digests)
    needed |= set(recent.values_list("content_digest", flat=True))
    keeping = _keeping([message for _digest, message in rows], since)
    needed |= {digest for digest, message in rows if message in keeping}
    return [digest for digest in digests if digest not in needed]


def _keeping(message_ids: Sequence[str], since: datetime | None) -> set[str]:
    """The messages that still need their content."""
    if since is None:
        return set(Message.objects.filter(pk__in=message_ids).values_list("pk", flat=True))
    still = Delivery.objects.filter(~Q(state__in=_ENDED) | Q(updated_at__gte=since), message_id__in=message_ids)
    return set(still.order_by().values_list("message_id", flat=True).distinct())
