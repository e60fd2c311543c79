"""A stored report made ready to travel: as a table in the body, as a ZIP, as octets that messages share."""

import zipfile
from datetime import datetime
from itertools import islice
from typing import IO, cast

from postroom.message.html_table import html_table
from postroom.policy.report_form import EMBEDDED_BYTES, room_bytes
from postroom.store.models import ServerTest, SmtpServer, StoredReport, Upload
from postroom.terms.outcome import TestStatus

from ..messages.upload import Arriving
from .report_rows import NoRows, table_of
from .rows_file import Stream, cell_text
from .stored_report import report_blobs, report_content, report_spool, store_report

# A table of more rows than that is never shown in a body, whatever their length.
EMBEDDED_ROWS = 1_000
_WRITTEN_AT = (1980, 1, 1, 0, 0, 0)


def report_table(report: StoredReport) -> str | None:
    """The report as an HTML table; None for one without rows, or with more than a body takes (blocking). A report that
    is HTML itself is None, too: what others wrote is never put among our own words. Raises SourceFault, DamagedBlob."""
    try:
        with table_of(report_content(report), report.media_type, report.file_name) as table:
            rows = [[cell_text(value) for value in row] for row in islice(table.rows, EMBEDDED_ROWS + 1)]
            columns = list(table.columns)
    except NoRows:
        return None
    if len(rows) > EMBEDDED_ROWS:
        return None
    text = html_table(columns, rows)
    return text if len(text.encode()) <= EMBEDDED_BYTES else None


def zipped(report: StoredReport, now: datetime) -> StoredReport:
    """The report in a ZIP, the same octets for the same report (blocking). Raises SourceFault and DamagedBlob."""
    entry = zipfile.ZipInfo(report.file_name, _WRITTEN_AT)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
    with report_spool() as spool:
        with (
            zipfile.ZipFile(cast(IO[bytes], Stream(spool.write)), "w") as archive,
            archive.open(entry, "w", force_zip64=True) as file,
        ):
            for chunk in report_content(report).chunks():
                file.write(chunk)
        blob = spool.finish()
    stem = report.file_name.rpartition(".")[0] or report.file_name
    return store_report(
        None, blob, file_name=f"{stem}.zip", media_type="application/zip", origin=report.origin, now=now
    )


def as_upload(report: StoredReport, scope: str, now: datetime) -> Upload:
    """The report encoded as it leaves, once for all messages that carry it; `scope` is whose upload it is (see
    `request.scope_of`). Raises Problem and DamagedBlob (blocking)."""
    with Arriving(report_blobs(), scope, report.media_type) as arriving:
        for chunk in report_content(report).chunks():
            arriving.feed(chunk)
        return arriving.finish(now)


def server_room(server: SmtpServer | None) -> int:
    """Octets that a message through this server may have: its own limit, and the SIZE that it announced (RFC 1870) at
    its last passed test; what most servers take where neither is known (blocking)."""
    if server is None:
        return room_bytes()
    passed = ServerTest.objects.filter(server=server, status=TestStatus.PASSED).order_by("-created_at").first()
    return room_bytes(server.typed_settings.limits.size_bytes, _announced(passed))


def _announced(test: ServerTest | None) -> int | None:
    limit = test.facts.get("size_limit") if test else None
    return limit if isinstance(limit, int) and limit > 0 else None
