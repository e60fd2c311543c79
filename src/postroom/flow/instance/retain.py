"""Retain: let go of what is over, batch by batch, so that no delivery waits for it.

Deliveries that wait, are held, run or are uncertain keep their message and its content, however old.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q

from postroom.store.blobs import Blobs
from postroom.store.drafts import Drafts
from postroom.store.models import Attempt, Delivery, IdempotencyKey, Message, SandboxMessage, ServerTest
from postroom.store.uploads import forget_unused
from postroom.terms.outcome import DeliveryState, TestStatus

from .content_sweep import is_sweep_due, sweep
from .old_reports import forget_old_reports
from .old_runs import forget_old_runs
from .retention import Retention, kept_since, retention
from .storage_use import store_use

# A test left behind can be gone back to for a day; then its password goes, and all of it unless it is part of
# a server's history.
TESTS_KEPT = timedelta(hours=24)
DRAFTS_KEPT = timedelta(hours=24)
OPEN_STATES = (
    DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN, DeliveryState.HELD,
)
# As much goes in one commit; others wait so long for the database.
ROWS_AT_ONCE = 200
_LOOKED_AT = 1_000

_log = structlog.get_logger("postroom.retain")


def retain(now: datetime, data: Path) -> Iterator[int]:
    """Let go of what is over; each step is one short batch and says how many rows or files went (blocking).

    What the disk refuses to remove stays, and the rest goes: it is no reason to stop delivering."""
    yield forget_old_tests(now)
    yield forget_unused(now)
    rules = retention()
    yield from _tests(rules, now)
    yield from _sandbox_mail(rules, now)
    yield from _messages(rules, now)
    yield from forget_old_runs(kept_since(rules.message_days, now))
    yield from forget_old_reports(kept_since(rules.content_days, now), now)
    yield from _as_far_as_possible(_old_drafts(now))
    yield from _logs(rules, now, data / "logs")
    if is_sweep_due(now):
        yield from _as_far_as_possible(sweep(Blobs(data / "blobs"), kept_since(rules.content_days, now), now))
    yield from _as_far_as_possible(store_use(data))


def _as_far_as_possible(steps: Iterator[int]) -> Iterator[int]:
    try:
        yield from steps
    except (OSError, sqlite3.Error) as error:
        _log.error("what is over could not be removed or measured", error=str(error))


def _old_drafts(now: datetime) -> Iterator[int]:
    yield forget_old_drafts(now)


def forget_old_tests(now: datetime) -> int:
    """Delete tests of settings that were never saved, and take the password out of others; how many there were."""
    with transaction.atomic():
        old = ServerTest.objects.filter(created_at__lt=now - TESTS_KEPT)
        deleted, _ = old.filter(server=None).delete()
        return deleted + old.exclude(sealed_password="").update(sealed_password="")


def forget_old_drafts(now: datetime) -> int:
    """Remove the files of messages that somebody began to write and left; how many there were."""
    return Drafts(Path(settings.DATA_DIR) / "drafts").discard_old((now - DRAFTS_KEPT).timestamp())


def _tests(rules: Retention, now: datetime) -> Iterator[int]:
    """Old tests, but the last one of each server."""
    since = kept_since(rules.log_days, now)
    if since is None:
        return
    last = ServerTest.objects.exclude(server=None).order_by().values("server").annotate(last=Max("pk"))
    ended = (TestStatus.PASSED, TestStatus.FAILED, TestStatus.STOPPED)
    old = ServerTest.objects.filter(created_at__lt=since, status__in=ended).exclude(pk__in=last.values("last"))
    while ids := list(old.values_list("pk", flat=True)[:ROWS_AT_ONCE]):
        deleted, _ = ServerTest.objects.filter(pk__in=ids).delete()
        yield deleted


def _sandbox_mail(rules: Retention, now: datetime) -> Iterator[int]:
    since = kept_since(rules.sandbox_days, now)
    if since is None:
        return
    old = SandboxMessage.objects.filter(received_at__lt=since).order_by("received_at")
    while ids := list(old.values_list("pk", flat=True)[:ROWS_AT_ONCE]):
        deleted, _ = SandboxMessage.objects.filter(pk__in=ids).delete()
        yield deleted


def _messages(rules: Retention, now: datetime) -> Iterator[int]:
    """Messages whose last delivery ended long ago, with all that belongs to them; a sweep takes their bytes."""
    since = kept_since(rules.message_days, now)
    if since is None:
        return
    last = ""
    while True:
        # Ids sort by the time of acceptance: behind a page of younger ones there is nothing old.
        rows = list(Message.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "created_at")[:_LOOKED_AT])
        ids = [pk for pk, created_at in rows if created_at < since]
        if not ids:
            return
        last = rows[-1][0]
        kept = set(_still_kept(ids, since))
        going = iter([id_ for id_ in ids if id_ not in kept])
        while batch := list(islice(going, ROWS_AT_ONCE)):
            yield from _without(batch, since)


def _without(ids: list[str], since: datetime) -> Iterator[int]:
    """Delete messages, each commit a bounded number of deliveries."""
    sizes: dict[str, int] = dict.fromkeys(ids, 0)
    for message_id in Delivery.objects.filter(message_id__in=ids).values_list("message_id", flat=True):
        sizes[message_id] += 1
    batch: list[str] = []
    for id_ in ids:
        if batch and sum(sizes[other] for other in batch) + sizes[id_] > ROWS_AT_ONCE:
            yield _delete(batch, since)
            batch = []
        batch.append(id_)
    yield _delete(batch, since)


def _delete(ids: list[str], since: datetime) -> int:
    with transaction.atomic():
        # Somebody may have retried one meanwhile; from here on nobody can.
        kept = set(_still_kept(ids, since))
        going = [id_ for id_ in ids if id_ not in kept]
        Attempt.objects.filter(delivery__message__in=going).delete()
        Delivery.objects.filter(message__in=going).delete()
        IdempotencyKey.objects.filter(message__in=going).delete()
        Message.objects.filter(pk__in=going).delete()
    return len(going)


def _still_kept(ids: list[str], since: datetime) -> Iterator[str]:
    still = Delivery.objects.filter(Q(state__in=OPEN_STATES) | Q(updated_at__gte=since), message_id__in=ids)
    yield from still.order_by().values_list("message_id", flat=True).distinct()


def _logs(rules: Retention, now: datetime, folder: Path) -> Iterator[int]:
    """Days of the logs, each with its index and the logs of its tests."""
    since = kept_since(rules.log_days, now)
    if since is None or not folder.is_dir():
        return
    last_gone = since.astimezone(UTC).date()
    for path in sorted(folder.iterdir()):
        if (day := _day_of(path)) is not None and day < last_gone:
            yield from _as_far_as_possible(_removed(path))


def _removed(day: Path) -> Iterator[int]:
    shutil.rmtree(day)
    yield 1


def _day_of(path: Path) -> date | None:
    try:
        return date.fromisoformat(path.name) if path.is_dir() and len(path.name) == 10 else None
    except ValueError:
        return None
