"""Sweep: remove stored contents, rows and files, that no message and no report needs any more, and those that none ever
got.

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
from typing import Any

from django.db import transaction
from django.db.models import Q

from postroom.store.blobs import Blobs
from postroom.store.models import Content, Delivery, InstanceValue, Message, SandboxMessage, StoredReport
from postroom.store.newest_content import newest_content
from postroom.store.uploads import in_uploads
from postroom.terms.outcome import DeliveryState

SWEEP_EVERY = timedelta(hours=6)
# Between a file and the commit of its message lie seconds; after that nobody refers to it any more.
GRACE = timedelta(hours=1)
FILES_AT_ONCE = 100
ROWS_AT_ONCE = 200
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
    every message's content. Each step is one short batch and says how many files or rows went (blocking)."""
    newest = newest_content()
    with closing(sqlite3.connect("", check_same_thread=False)) as references:
        references.execute("CREATE TABLE reference (content TEXT, message TEXT)")
        yield from _read(references)
        references.execute("CREATE INDEX by_content ON reference (content)")
        yield 0
        yield from _rows(references, newest, since)
        yield from _files(references, blobs, since, now)
    InstanceValue.objects.update_or_create(name=_SWEPT, defaults={"value": now.isoformat()})


def _rows(references: sqlite3.Connection, newest: int, since: datetime | None) -> Iterator[int]:
    """Remove contents of the database, of those that were there when the sweep began."""
    last = 0
    while ids := list(Content.objects.filter(pk__gt=last, pk__lte=newest).order_by("pk").values_list("pk", flat=True)[
        :ROWS_AT_ONCE
    ]):
        last, removed = ids[-1], 0
        if going := _unneeded_rows(references, ids, since):
            with transaction.atomic():
                removed, _ = Content.objects.filter(pk__in=_unneeded_rows(references, going, since)).delete()
        yield removed


def _files(references: sqlite3.Connection, blobs: Blobs, since: datetime | None, now: datetime) -> Iterator[int]:
    before_s = (now - GRACE).timestamp()
    for digests in blobs.older_than(before_s, FILES_AT_ONCE):
        going = _unneeded(references, digests, since, now)
        removed = 0
        if going:
            with transaction.atomic():
                removed = blobs.discard(_unneeded(references, going, since, now), before_s)
        yield removed


def _read(references: sqlite3.Connection) -> Iterator[int]:
    """Which message refers to which file or row, a few thousand at a time."""
    last = ""
    while True:
        page = Message.objects.filter(pk__gt=last).order_by("pk")
        rows = list(page.values_list("pk", "content_digest", "content_id", "content__layout")[:_READ_AT_ONCE])
        if not rows:
            return
        references.executemany(
            "INSERT INTO reference VALUES (?, ?)",
            [(content, pk) for pk, digest, row, layout in rows for content in _contents_of(digest, row, layout)],
        )
        last = rows[-1][0]
        yield 0


def _contents_of(digest: str, content_id: int | None, layout: Any) -> list[str]:
    """Names of what a message needs: a row by its number, a file by its digest."""
    if content_id is None:
        return [digest]
    files = [str(item[0]) for item in layout if isinstance(item, list)] if isinstance(layout, list) else []
    return [_row_name(content_id), *files]


def _row_name(content_id: int) -> str:
    return f"#{content_id}"


def _unneeded_rows(references: sqlite3.Connection, ids: Sequence[int], since: datetime | None) -> list[int]:
    """Those of the rows that can go as the database is now."""
    needed = _needed(references, [_row_name(id_) for id_ in ids], since)
    # A message is resent with the row of the first one; such a copy may have come while the sweep read.
    copies = dict(Message.objects.filter(resend_of__isnull=False, content_id__in=ids).values_list("pk", "content_id"))
    needed |= {_row_name(id_) for pk in _keeping(list(copies), since) if (id_ := copies[pk]) is not None}
    return [id_ for id_ in ids if _row_name(id_) not in needed]


def _unneeded(
    references: sqlite3.Connection, digests: Sequence[str], since: datetime | None, now: datetime
) -> list[str]:
    """Those of the files that can go as the database is now."""
    needed = _needed(references, digests, since)
    needed |= in_uploads(digests)
    needed |= set(SandboxMessage.objects.filter(content_digest__in=digests).values_list("content_digest", flat=True))
    needed |= set(StoredReport.objects.filter(digest__in=digests).values_list("digest", flat=True))
    # Those accepted while the sweep reads: an old content can have got a new message by resending.
    copies = Message.objects.filter(resend_of__isnull=False, created_at__gte=now - GRACE, content_digest__in=digests)
    needed |= set(copies.values_list("content_digest", flat=True))
    return [digest for digest in digests if digest not in needed]


def _needed(references: sqlite3.Connection, contents: Sequence[str], since: datetime | None) -> set[str]:
    """Those that a message needs which was there when the sweep read."""
    marks = ", ".join("?" * len(contents))
    rows = references.execute(f"SELECT content, message FROM reference WHERE content IN ({marks})", contents).fetchall()
    keeping = _keeping([message for _content, message in rows], since)
    return {content for content, message in rows if message in keeping}


def _keeping(message_ids: Sequence[str], since: datetime | None) -> set[str]:
    """The messages that still need their content."""
    if since is None:
        return set(Message.objects.filter(pk__in=message_ids).values_list("pk", flat=True))
    still = Delivery.objects.filter(~Q(state__in=_ENDED) | Q(updated_at__gte=since), message_id__in=message_ids)
    return set(still.order_by().values_list("message_id", flat=True).distinct())
