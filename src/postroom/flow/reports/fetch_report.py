"""Fetch a report from its source: whole and stored, or not at all (S7).

It dials, so it is called by engines and by `postroom source try`, never by the web process. What comes is written
beside the contents of messages as it arrives, and becomes a report once its last octet is there.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from postroom.net.fetch import Wanted, fetch
from postroom.store.models import ReportSource, StoredReport
from postroom.store.vault import VaultError
from postroom.terms.report import REPORT_BYTES
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import worded

from .query_report import queried
from .read_file import FilePattern, read_newest
from .source_settings import FileSettings, UrlSettings, secret_of, told_address
from .stored_report import report_spool, store_report, with_rows

Values = Mapping[str, Any]


def fetched(
    source: ReportSource, parameters: Values, now: datetime, stands_for: datetime | None = None
) -> StoredReport:
    """The report as its source has it now; for a source that is pushed to, the newest push.

    `parameters` go into the query, the URL or the pattern by name; `today`, `yesterday` and `now` are always there:
    those of the instant that the report stands for, in its time zone; `now` unless another is given. A report with rows
    may have none (`row_count` 0): the caller decides what that means. Raises SourceFault (blocking)."""
    values = {**_dates(stands_for or now), **parameters}
    by_kind: dict[str, Callable[[ReportSource, Values, datetime], StoredReport]] = {
        ReportSource.Kind.FILE: _from_file, ReportSource.Kind.URL: _from_url,
        ReportSource.Kind.SQL: queried, ReportSource.Kind.PUSHED: _pushed,
    }
    report = by_kind[source.kind](source, values, now)
    if report.size_bytes == 0:
        report.delete()
        raise SourceFault(SourceFaultKind.EMPTY, worded("The report is empty: it has not a single octet."))
    return with_rows(report)


def _dates(at: datetime) -> dict[str, str]:
    return {
        "today": at.date().isoformat(), "yesterday": (at.date() - timedelta(days=1)).isoformat(),
        "now": at.isoformat(timespec="seconds"),
    }


def _from_file(source: ReportSource, values: Values, now: datetime) -> StoredReport:
    given = FileSettings.from_json(source.settings)
    pattern = FilePattern(given.folder(), given.pattern, given.fresh_within_s)
    with report_spool() as spool:
        path = read_newest(pattern.with_values(_texts(values)), now, spool.write, REPORT_BYTES)
        blob = spool.finish()
    name = path.rpartition("/")[2]
    return store_report(source, blob, file_name=name, media_type="", origin=f"{given.root}: {path}", now=now)


def _from_url(source: ReportSource, values: Values, now: datetime) -> StoredReport:
    given = UrlSettings.from_json(source.settings)
    try:
        secret = secret_of(source)
    except VaultError as error:
        raise SourceFault(SourceFaultKind.SETTINGS, worded("The secret can't be read."), str(error)) from error
    wanted = Wanted(
        url=given.url_with(_texts(values)), header=given.headers, timeout_s=given.timeout_s, most_bytes=REPORT_BYTES,
        may_fetch=settings.FETCH_NETWORKS.may_fetch,
        secret=(given.secret_header, secret) if secret else None,
    )
    with report_spool() as spool:
        answer = fetch(wanted, spool.write)
        given.refuse_other_type(answer.media_type)
        blob = spool.finish()
    name = given.file_name or answer.file_name or f"{source.name}"
    origin = told_address(wanted.url)
    return store_report(source, blob, file_name=name, media_type=answer.media_type, origin=origin, now=now)


def _pushed(source: ReportSource, values: Values, now: datetime) -> StoredReport:
    del values, now
    newest = StoredReport.objects.filter(source=source).order_by("-made_at", "-pk").first()
    if newest is None:
        text = worded("Nobody has pushed a report to this source yet.")
        raise SourceFault(SourceFaultKind.MISSING, text)
    return newest


def _texts(values: Values) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
