"""What pages say of a server while the engine works with it: failing since when and why, or working."""

from collections.abc import Awaitable
from datetime import timedelta

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.db.models import Count, Max
from django.db.models.functions import TruncHour
from django.utils import timezone

from postroom.store.models import Attempt, SmtpServer
from postroom.terms.finding import Finding
from postroom.terms.outcome import Outcome

_log = structlog.get_logger("postroom.server_health")


async def note_failing(server_id: str, finding: Finding) -> None:
    """Mark the server failing; the first time of a row of failures stays."""
    await _noted(sync_to_async(_note_failing)(server_id, finding))


async def note_working(server_id: str) -> None:
    """The server took a transaction: nothing fails any more."""
    await _noted(sync_to_async(_note_working)(server_id))


async def sent_today(server_id: str) -> list[tuple[float, int]]:
    """Messages that the server took within a day, by hour: (seconds ago, messages), oldest first."""
    return await sync_to_async(_sent_today)(server_id)


def _sent_today(server_id: str) -> list[tuple[float, int]]:
    now = timezone.now()
    sent = Attempt.objects.filter(server_id=server_id, outcome=Outcome.SENT, started_at__gt=now - timedelta(days=1))
    hours = (
        sent.annotate(hour=TruncHour("started_at")).values("hour").order_by("hour")
        .annotate(last=Max("started_at"), messages=Count("delivery__message", distinct=True))
    )
    return [((now - row["last"]).total_seconds(), row["messages"]) for row in hours]


async def _noted(writing: Awaitable[None]) -> None:
    """A mark that can't be stored is worth a line in the log, not a delivery."""
    try:
        await writing
    except DatabaseError as error:
        _log.error("the state of a server could not be stored", error=str(error))


def _note_failing(server_id: str, finding: Finding) -> None:
    rows = SmtpServer.objects.filter(pk=server_id)
    rows.filter(failing_since=None).update(failing_since=timezone.now())
    rows.update(failing_finding=finding.as_stored())


def _note_working(server_id: str) -> None:
    SmtpServer.objects.filter(pk=server_id).update(failing_since=None, failing_finding=None)
