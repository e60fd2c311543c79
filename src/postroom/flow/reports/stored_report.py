"""Reports as they are kept: octets once for each content, and a row that says what they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from postroom.smtp.content import Content
from postroom.smtp.text import printable
from postroom.store.blobs import Blob, Blobs, DamagedBlob, Spool
from postroom.store.models import ReportSource, StoredReport
from postroom.terms.header import HeaderProblem, checked_media_type, file_label
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import worded

from .report_rows import Counted, NoRows, counted, kind_of
from .source_settings import told_address

_TYPES = {
    "csv": "text/csv; charset=utf-8", "htm": "text/html", "html": "text/html", "json": "application/json",
    "ods": "application/vnd.oasis.opendocument.spreadsheet", "pdf": "application/pdf", "png": "image/png",
    "txt": "text/plain; charset=utf-8", "xml": "application/xml", "zip": "application/zip",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_ANY = "application/octet-stream"


def report_blobs() -> Blobs:
    """Where reports lie, beside the contents of messages."""
    return Blobs(Path(settings.DATA_DIR) / "blobs")


@contextmanager
def report_spool() -> Iterator[Spool]:
    """A report on its way; what is not finished is forgotten. Raises SourceFault where the disk refuses."""
    try:
        with report_blobs().spool() as spool:
            yield spool
    except OSError as error:
        text = worded("The report can't be stored on this machine.")
        raise SourceFault(SourceFaultKind.STORAGE, text, error.strerror or "") from error


def store_report(
    source: ReportSource | None, blob: Blob, *, file_name: str, media_type: str, origin: str, now: datetime,
    rows: Counted | None = None,
) -> StoredReport:
    """The row of a report whose octets are stored (blocking)."""
    name = file_label(file_name)
    return StoredReport.objects.create(
        source=source, digest=blob.digest, size_bytes=blob.size_bytes, file_name=name,
        media_type=media_type_for(media_type, name), origin=printable(origin, 500), made_at=now,
        row_count=None if rows is None else rows.row_count, sample={} if rows is None else rows.sample,
    )


def report_content(report: StoredReport) -> Content:
    """The octets, which are checked as they are read. Reading raises DamagedBlob."""
    return report_blobs().unread(report.digest, report.size_bytes)


def with_rows(report: StoredReport) -> StoredReport:
    """The report with its rows counted, where it has some that can be read and nobody counted them yet (blocking).
    Raises SourceFault where what is stored is damaged, or the disk refuses."""
    if report.row_count is not None or not kind_of(report.media_type, report.file_name):
        return report
    try:
        rows = counted(report_content(report), report.media_type, report.file_name)
    except NoRows:
        return report
    except DamagedBlob as error:
        raise SourceFault(SourceFaultKind.STORAGE, worded("The stored report is damaged."), str(error)) from error
    report.row_count, report.sample = rows.row_count, rows.sample
    report.save(update_fields=["row_count", "sample"])
    return report


def media_type_for(media_type: str, file_name: str) -> str:
    """The media type that somebody named, where it can be one and says something; else that of the name's ending."""
    known = _TYPES.get(file_name.rpartition(".")[2].lower(), _ANY)
    try:
        named = checked_media_type(media_type)
    except HeaderProblem:
        return known
    return known if named.partition(";")[0] in (_ANY, "text/plain") and known != _ANY else named


def as_json(report: StoredReport) -> dict[str, Any]:
    """What pages and the API tell of a report."""
    return {
        "id": report.pk, "file_name": report.file_name, "media_type": report.media_type,
        "size_bytes": report.size_bytes, "row_count": report.row_count, "origin": told_address(report.origin),
        "made_at": report.made_at, "sample": report.sample or None,
    }
