"""Try a source: a door asks with a row, an engine fetches, the door shows what came or why nothing did.

The web process never dials and reads no file of others. A report that was fetched to try is kept for a day.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from postroom.store import audit
from postroom.store.models import ReportSource, SourceTry, SqlConnection, StoredReport
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible
from .fetch_report import fetched
from .query_report import look_at_connection

KEPT = timedelta(hours=24)
WAITING = 20
# A report that ends the process that reads it would do so for ever.
STARTS = 2


def ask_try(
    actor: str, *, source: ReportSource | None = None, connection: SqlConnection | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> SourceTry:
    """A row that an engine works off. One that waits for the same already is the answer. Raises NotPossible."""
    now = timezone.now()
    with transaction.atomic():
        waiting = _waiting(now)
        same = waiting.filter(source=source, connection=connection, parameters=dict(parameters or {})).first()
        if same is not None:
            return same
        if waiting.count() >= WAITING:
            raise NotPossible(worded("Many tries are waiting. Try again in a minute."))
        row = SourceTry.objects.create(
            source=source, connection=connection, parameters=dict(parameters or {}), asked_by=actor, created_at=now
        )
        name = source.name if source else connection.name if connection else ""
        audit.record(actor, "source.try" if source else "connection.try", name)
    return row


def latest_try(*, source: ReportSource | None = None, connection: SqlConnection | None = None) -> SourceTry | None:
    """The newest try, ended or not."""
    tries = SourceTry.objects.filter(source=source, connection=connection)
    return tries.select_related("report").order_by("-created_at").first()


def claim_try() -> SourceTry | None:
    """The oldest try that nobody has begun, now begun; None when there is none (blocking)."""
    if not _waiting(timezone.now()).exists():
        return None
    with transaction.atomic():
        row = _waiting(timezone.now()).select_related("source__connection", "connection").order_by("created_at").first()
        if row is not None:
            row.started_at, row.starts = timezone.now(), row.starts + 1
            row.save(update_fields=["started_at", "starts"])
    return row


def requeue_abandoned_tries(under_way: Collection[str] = ()) -> int:
    """Begin again what an engine that is gone had begun, or give it up; how many begin again (blocking)."""
    abandoned = SourceTry.objects.filter(finished_at=None).exclude(started_at=None).exclude(pk__in=under_way)
    text = worded("The engine ended {count} times while it tried this. See its log.", count=STARTS)
    fault = SourceFault(SourceFaultKind.UNREADABLE, text)
    abandoned.filter(starts__gte=STARTS).update(fault=fault_json(fault), finished_at=timezone.now())
    return abandoned.update(started_at=None)


def give_back_tries(under_way: Collection[str]) -> None:
    """Leave what this engine had begun to the next one, uncounted: nothing of it ended the process (blocking)."""
    SourceTry.objects.filter(pk__in=under_way, finished_at=None).exclude(started_at=None).update(
        started_at=None, starts=F("starts") - 1
    )


def run_try(row: SourceTry) -> None:
    """Fetch, or sign in, and note what came of it; a fault is noted, too, and not raised (blocking)."""
    report: StoredReport | None = None
    fault: dict[str, Any] | None = None
    try:
        if row.source is not None:
            report = fetched(row.source, row.parameters, timezone.now())
        elif row.connection is not None:
            look_at_connection(row.connection)
    except SourceFault as error:
        fault = fault_json(error)
    SourceTry.objects.filter(pk=row.pk).update(report=report, fault=fault, finished_at=timezone.now())


def note_broken(row: SourceTry) -> None:
    """The try ended with a fault of our own, which is in the log (blocking)."""
    error = SourceFault(SourceFaultKind.STORAGE, worded("This failed here and not at the source. The log tells more."))
    SourceTry.objects.filter(pk=row.pk).update(fault=fault_json(error), finished_at=timezone.now())


def forget_old_tries(now: datetime) -> int:
    """Delete tries of more than a day ago; their number (blocking)."""
    return SourceTry.objects.filter(created_at__lt=now - KEPT).delete()[0]


def fault_json(fault: SourceFault) -> dict[str, Any]:
    """A fault as it is stored: in English, and with what tells it in other languages."""
    wording = fault.text.as_json()
    return {"kind": fault.kind.value, "text": str(fault.text), "wording": wording, "evidence": fault.evidence}


def _waiting(now: datetime) -> QuerySet[SourceTry]:
    return SourceTry.objects.filter(started_at=None, created_at__gt=now - KEPT)
