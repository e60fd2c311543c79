"""The reports of a run on their way into messages: encoded once, shared by all that carry them, linked for each.

What is uploaded here is kept for as long as any upload; a run that is taken up again uploads the same octets, which
costs reading them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from postroom.policy.report_form import ReportForm
from postroom.store.models import Run, RunRecipient, StoredReport
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import worded

from ..reports.report_body import as_upload, report_table, zipped
from ..reports.report_link import links_for
from ..templates.shared_pictures import SharedPictures
from ..templates.templates import InlineImage, safe_html
from .run_message import Delivered

# Tables in bodies that are kept at hand, each of at most 90 KB.
_TABLES = 8


class Carried:
    """Of one run; belongs to one thread at a time."""

    def __init__(self, run: Run, now: datetime) -> None:
        self._run, self._now = run, now
        self._plan: Mapping[str, Any] = run.plan
        self._uploads: dict[str, tuple[str, str]] = {}
        self._pictures = SharedPictures(run.subscription_id)
        self._table = lru_cache(_TABLES)(_table)

    def delivered(self, rows: Sequence[RunRecipient]) -> dict[int, Delivered]:
        """How each of these recipients gets the report, by position (blocking). Raises SourceFault, Problem and
        DamagedBlob."""
        reports = self._reports(rows)
        found: dict[int, Delivered] = {}
        for report in reports.values():
            mine = [row for row in rows if self._report_id(row) == report.pk]
            found |= self._of_report(report, mine)
        return found

    def image(self, image: InlineImage) -> dict[str, Any]:
        """A picture as an attachment: large ones are files that the messages share."""
        return self._pictures.image(image, self._now)

    def _reports(self, rows: Sequence[RunRecipient]) -> dict[str, StoredReport]:
        ids = {self._report_id(row) for row in rows}
        found = StoredReport.objects.in_bulk(list(ids))
        if missing := ids - set(found):
            text = worded("The stored report is gone. Run the subscription again.")
            raise SourceFault(SourceFaultKind.STORAGE, text, ", ".join(missing))
        return found

    def _report_id(self, row: RunRecipient) -> str:
        """Whose own file was removed meanwhile gets nothing, and never the whole report instead."""
        return row.report_id or ("" if row.values.get("own") else self._run.report_id or "")

    def _of_report(self, report: StoredReport, rows: Sequence[RunRecipient]) -> dict[int, Delivered]:
        chosen = self._plan["forms"][report.pk]
        form = ReportForm(chosen["form"])
        if form is ReportForm.LINK:
            until = self._now + timedelta(days=self._plan["link_days"])
            links = links_for(report, [row.address for row in rows], until, self._now)
            return {row.position: Delivered(report, form, link=links[row.address], link_until=until) for row in rows}
        if form is ReportForm.EMBED:
            return dict.fromkeys((row.position for row in rows), Delivered(report, form, table=self._table(report)))
        upload, name = self._upload(report, chosen["file"])
        return dict.fromkeys((row.position for row in rows), Delivered(report, form, name, upload))

    def _upload(self, report: StoredReport, file_id: str) -> tuple[str, str]:
        """The id of the upload and the name of what is attached; a ZIP that nobody needed for long is made again."""
        if file_id not in self._uploads:
            file = StoredReport.objects.filter(pk=file_id).first() or zipped(report, self._now)
            self._uploads[file_id] = (as_upload(file, self._run.subscription_id, self._now).pk, file.file_name)
        return self._uploads[file_id]


def _table(report: StoredReport) -> str:
    return safe_html(report_table(report) or "")
