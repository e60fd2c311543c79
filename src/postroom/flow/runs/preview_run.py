"""What the first message of a subscription would look like, with the newest report of its source; nothing is stored."""

from datetime import datetime, timedelta

from postroom.policy.report_form import ReportForm
from postroom.store.models import StoredReport, Subscription

from ..acceptance.accept import previewed
from ..acceptance.ready import Ready
from ..recipients.recipients import Addressed
from ..reports.report_body import report_table
from ..reports.report_sources import newest_report
from ..templates.templates import safe_html
from .run_message import Delivered, RunWriter
from .run_plan import plan_of

# Where a link would stand: a real one is made for each recipient when a run begins.
EXAMPLE_LINK = "https://example.org/reports/…"


def preview_of_run(subscription: Subscription, to: Addressed, now: datetime) -> tuple[Ready, Delivered | None]:
    """The message as it would be composed for `to`, and the report it tells of, None where the source has given none
    yet. The subscription need not be saved. Raises TemplateFault, Problem, SourceFault and DamagedBlob (blocking)."""
    report = newest_report(subscription.source)
    delivered = _sample(subscription, report, now) if report is not None else None
    return previewed(RunWriter(plan_of(subscription, now)).body(to, delivered)), delivered


def _sample(subscription: Subscription, report: StoredReport, now: datetime) -> Delivered:
    form = ReportForm(subscription.form)
    if form is ReportForm.LINK:
        return Delivered(report, form, link=EXAMPLE_LINK, link_until=now + timedelta(days=subscription.link_days))
    if form is ReportForm.EMBED:
        return Delivered(report, form, table=safe_html(report_table(report) or ""))
    stem = report.file_name.rpartition(".")[0] or report.file_name
    return Delivered(report, form, f"{stem}.zip" if form is ReportForm.ZIP else report.file_name)
