"""Take in a report that somebody pushes: written as it comes, stored whole or not at all, and the runs it begins.

Subscriptions that run on a push get their run in the commit that stores the report, each with this report: a later push
changes nothing about it.
"""

import hashlib
from contextlib import suppress
from datetime import datetime
from typing import Any, Self

from django.db import DatabaseError, connection, transaction

from postroom.store import audit
from postroom.store.blobs import Blob, Blobs
from postroom.store.models import ReportSource, Run, StoredReport
from postroom.store.writer import StorageBusy
from postroom.terms.problem import FieldError, Problem, invalid_fields
from postroom.terms.wording import worded

from ..messages.request import checked_key
from ..messages.storage_problem import storage_problem
from .stored_report import store_report


class ArrivingReport:
    """A report on its way in: `feed` its octets, then `finish`; leaving the context forgets what was not finished.

    Every method blocks and raises Problem."""

    def __init__(self, blobs: Blobs, source_id: str, media_type: str) -> None:
        self._source, self._media_type = _pushable(source_id), media_type
        try:
            self._spool = blobs.spool()
        except OSError as error:
            raise storage_problem(error) from error

    def feed(self, octets: bytes) -> None:
        """Add octets."""
        try:
            self._spool.write(octets)
        except OSError as error:
            raise storage_problem(error) from error

    def finish(self, file_name: str, actor: str, key: str | None, now: datetime) -> tuple[StoredReport, int]:
        """The report, synced and remembered, and how many runs begin with it; the same key and source once more is
        the same report, and no run."""
        if not self._spool.size_bytes:
            raise invalid_fields([FieldError("body", "empty", worded("Send the octets of the report as the body."))])
        try:
            return self._remembered(self._spool.finish(), file_name or self._source.name, actor, key, now)
        except DatabaseError as error:
            connection.close()
            raise storage_problem(StorageBusy(str(error))) from error
        except OSError as error:
            raise storage_problem(error) from error

    def _remembered(
        self, blob: Blob, file_name: str, actor: str, key: str | None, now: datetime
    ) -> tuple[StoredReport, int]:
        push_key = None if key is None else _digest(self._source.pk, actor, checked_key(key))
        with transaction.atomic():
            known = StoredReport.objects.filter(push_key=push_key).first() if push_key else None
            if known is not None:
                return _same(known, blob), 0
            source = _pushable(self._source.pk)
            report = store_report(
                source, blob, file_name=file_name, media_type=self._media_type, origin=actor, now=now
            )
            if push_key:
                report.push_key = push_key
                report.save(update_fields=["push_key"])
            runs = [
                Run(subscription=row, cause=Run.Cause.PUSH, asked_by=actor[:254], due_at=now, report=report)
                for row in source.subscriptions.filter(on_push=True, paused_at=None)
            ]
            Run.objects.bulk_create(runs)
            changes = {"report": report.pk, "size_bytes": blob.size_bytes, "runs": len(runs)}
            audit.record(actor, "source.push", source.name, changes)
        return report, len(runs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._spool.discard()


def pushed_json(report: StoredReport, runs: int) -> dict[str, Any]:
    """What whoever pushed is told."""
    return {
        "id": report.pk, "file_name": report.file_name, "media_type": report.media_type,
        "size_bytes": report.size_bytes, "runs": runs,
    }


def _pushable(source_id: str) -> ReportSource:
    row = ReportSource.objects.filter(pk=source_id[:26]).first()
    if row is None:
        raise Problem(404, "not-found", "There is no such thing", "Check the id of the report source.")
    if row.kind != ReportSource.Kind.PUSHED:
        detail = "Only a source of the kind pushed takes reports; this one fetches them by itself."
        raise Problem(409, "not-possible", "That is not possible now", detail)
    return row


def _same(known: StoredReport, blob: Blob) -> StoredReport:
    if (known.digest, known.size_bytes) != (blob.digest, blob.size_bytes):
        detail = "This Idempotency-Key was used before with another report. Use a new key for a new report."
        raise Problem(409, "idempotency-conflict", "The Idempotency-Key is taken", detail)
    return known


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
