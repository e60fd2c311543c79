"""What pages say of a server while the engine works with it: failing since when and why, or working."""

from collections.abc import Awaitable

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.utils import timezone

from postroom.store.models import SmtpServer
from postroom.terms.finding import Finding

_log = structlog.get_logger("postroom.server_health")


async def note_failing(server_id: str, finding: Finding) -> None:
    """Mark the server failing; the first time of a row of failures stays."""
    await _noted(sync_to_async(_note_failing)(server_id, finding))


async def note_working(server_id: str) -> None:
    """The server took a transaction: nothing fails any more."""
    await _noted(sync_to_async(_note_working)(server_id))


async def _noted(writing: Awaitable[None]) -> None:
    """A mark that can't be stored is worth a line in the log, not a delivery."""
    try:
        await writing
    except DatabaseError as error:
        _log.error("the state of a server could not be stored", error=str(error))


def _note_failing(server_id: str, finding: Finding) -> None:
    rows = SmtpServer.objects.filter(pk=server_id)
    rows.filter(failing_since=None).update(failing_since=timezone.now())
    rows.update(failing_finding=finding.as_json())


def _note_working(server_id: str) -> None:
    SmtpServer.objects.filter(pk=server_id).update(failing_since=None, failing_finding=None)
