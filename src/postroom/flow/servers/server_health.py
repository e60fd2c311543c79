"""What pages say of a server while the engine works with it: failing since when and why, or working."""

from collections import Counter
from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.db.models import Count
from django.db.models.functions import TruncMinute
from django.utils import timezone

from postroom.store.ids import id_at
from postroom.store.models import Attempt, SmtpServer
from postroom.terms.finding import Finding
from postroom.terms.outcome import Outcome

_log = structlog.get_logger("postroom.server_health")


async def note_failing(server_id: str, finding: Finding, stage: str) -> bool:
    """Mark the server failing at a stage; the first time of a row of failures stays. Whether this is the first."""
    return await _noted(sync_to_async(mark_failing)(server_id, finding.as_stored(), stage))


async def note_working(server_id: str) -> bool:
    """The server took a transaction: nothing fails any more. Whether something did."""
    return await _noted(sync_to_async(_note_working)(server_id))


async def note_manners(server_id: str, manners: Mapping[str, Any]) -> bool:
    """Remember what the server showed that it does not bear (policy/manners)."""
    return await _noted(sync_to_async(_note_manners)(server_id, manners))


def _note_manners(server_id: str, manners: Mapping[str, Any]) -> bool:
    return bool(SmtpServer.objects.filter(pk=server_id).update(manners=dict(manners)))


async def sent_today(server_id: str) -> list[tuple[datetime, int]]:
    """Messages that the server took within a day, by quarter of an hour: (when the quarter began, messages)."""
    return await sync_to_async(_sent_today)(server_id)


def _sent_today(server_id: str) -> list[tuple[datetime, int]]:
    since = timezone.now() - timedelta(days=1)
    # Ids of attempts sort by the time of their claim; only those of a day are read.
    day = Attempt.objects.filter(pk__gte=id_at(since - timedelta(minutes=1)), started_at__gt=since)
    sent = day.filter(server_id=server_id, outcome=Outcome.SENT)
    minutes = sent.annotate(minute=TruncMinute("started_at")).values("minute").order_by("minute")
    quarters: Counter[datetime] = Counter()
    for row in minutes.annotate(messages=Count("delivery__message", distinct=True)):
        quarters[row["minute"].replace(minute=row["minute"].minute // 15 * 15)] += row["messages"]
    return sorted(quarters.items())


async def _noted(writing: Awaitable[bool]) -> bool:
    """A mark that can't be stored is worth a line in the log, not a delivery."""
    try:
        return await writing
    except DatabaseError as error:
        _log.error("the state of a server could not be stored", error=str(error))
        return False


def mark_failing(server_id: str, finding: Mapping[str, Any], stage: str, *, since: datetime | None = None) -> bool:
    """As `note_failing`, with a finding as it is stored (blocking)."""
    rows = SmtpServer.objects.filter(pk=server_id)
    first = rows.filter(failing_since=None).update(failing_since=since or timezone.now())
    rows.update(failing_finding={**finding, "stage": str(stage)})
    return bool(first)


def _note_working(server_id: str) -> bool:
    failing = SmtpServer.objects.filter(pk=server_id).exclude(failing_since=None)
    return bool(failing.update(failing_since=None, failing_finding=None))
