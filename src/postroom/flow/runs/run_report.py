"""The first half of a run: its report is fetched, judged by the conditions, and fixed with its recipients (S7).

Nothing is written to anybody here, so that what fails or is cut off can be begun again from the start.
"""

from datetime import datetime, timedelta

from postroom.message.template import TemplateFault
from postroom.policy.column_value import ColumnValue
from postroom.policy.report_form import NoForm
from postroom.policy.run_conditions import SEND, Judged, Verdict, judged, judged_by_column
from postroom.store.blobs import DamagedBlob
from postroom.store.models import Run, StoredReport
from postroom.store.run_claim import store_fenced
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import Wording, worded

from ..reports.column_condition import rows_judged
from ..reports.fetch_report import fetched
from ..reports.report_rows import kind_of
from ..reports.stored_report import with_rows
from .run_ending import Ending, RunPostponed, failed, stopped
from .run_log import Level, evidence_of, with_line
from .run_plan import fix, stands_for

# A report that ends the process that reads it, or meets the same fault of its machine, would do so for ever.
LOST_TRIES = 5
# What a source that works may say: there is no report just now.
_NO_REPORT = (SourceFaultKind.MISSING, SourceFaultKind.STALE, SourceFaultKind.EMPTY)


def fixed_or_ended(run: Run, now: datetime) -> Ending | None:
    """None once the run is *sending*, with its report and recipients; else how it ends. Raises RunPostponed where it is
    tried again later, RunLost and DatabaseError (blocking)."""
    if run.stop_requested:
        return stopped()
    lost = int(run.plan.get("lost", 0))
    if lost >= LOST_TRIES:
        text = worded("The engine ended, or met a fault of its machine, {count} times while it worked on this report. "
                      "See its log.", count=lost)
        return failed("engine-ended", text)
    _begin(run, lost, now)
    try:
        report = with_rows(run.report) if run.report else fetched(
            run.subscription.source, run.subscription.parameters, now, stands_for(run, now)
        )
        return _judged_and_fixed(run, report, now)
    except SourceFault as fault:
        return _after(run, fault, now)
    except TemplateFault as fault:
        return failed("template", fault.text)
    except NoForm as fault:
        return failed("too-large", fault.text)
    except DamagedBlob as fault:
        return failed("damaged", worded("The stored report is damaged."), str(fault))


def _begin(run: Run, lost: int, now: datetime) -> None:
    """Recorded before anything is fetched, so that a try that ends with its process is counted."""
    number = run.try_number + 1
    text = worded("Fetches the report from {source}.", source=run.subscription.source.name)
    if number > 1:
        text = worded("Fetches the report from {source}, try {number}.",
                      source=run.subscription.source.name, number=number)
    store_fenced(
        run, state=Run.State.FETCHING, started_at=run.started_at or now, try_number=number,
        plan={**run.plan, "lost": lost + 1}, log=with_line(run.log, now, text),
    )


def _judged_and_fixed(run: Run, report: StoredReport, now: datetime) -> Ending | None:
    log = with_line(run.log, now, _told(report))
    store_fenced(run, log=log)
    # Who sends a report to themselves wants to see it.
    verdict = SEND if run.only_to else _verdict(run, report, now)
    if verdict.verdict is not Verdict.SEND:
        state = Run.State.SKIPPED if verdict.verdict is Verdict.SKIP else Run.State.WARNING
        return Ending(state, verdict.why, verdict.slug)
    fix(run, report, now)
    return None


def _verdict(run: Run, report: StoredReport, now: datetime) -> Judged:
    """Raises SourceFault where a condition can't be checked."""
    subscription = run.subscription
    _refuse_unread(report, subscription.conditions.get("least_rows") or 0)
    verdict = judged(subscription.conditions, report.row_count, report.digest, subscription.last_digest)
    stored = subscription.conditions.get("column_value")
    if verdict.verdict is not Verdict.SEND or not stored:
        return verdict
    condition = ColumnValue.from_json(stored)
    judge = rows_judged(report, condition, stands_for(run, now))
    if judge.unreadable:
        text = worded("Values of the column {column} that could not be compared: {count}.", column=condition.column,
                      count=judge.unreadable)
        store_fenced(run, log=with_line(run.log, now, text, Level.WARNING))
    return judged_by_column(condition, judge.hits)


def _refuse_unread(report: StoredReport, least_rows: int) -> None:
    """A table without rows that can be read is damaged, and has not enough of them. Raises SourceFault."""
    if least_rows and report.row_count is None and kind_of(report.media_type, report.file_name):
        text = worded(
            "The rows of {name} can't be read, so that the condition on their number can't be checked. It has to be a "
            "whole XLSX file, or CSV in UTF-8.", name=report.file_name,
        )
        raise SourceFault(SourceFaultKind.UNREADABLE, text)


def _told(report: StoredReport) -> Wording:
    if report.row_count is None:
        return worded("Got {name}: {size} bytes.", name=report.file_name, size=report.size_bytes)
    return worded(
        "Got {name}: {size} bytes, rows: {rows}.", name=report.file_name, size=report.size_bytes,
        rows=report.row_count,
    )


def _after(run: Run, fault: SourceFault, now: datetime) -> Ending:
    """The end of a run without a report. Raises RunPostponed while there are tries left."""
    times, pause_s = (int(run.subscription.retry.get(name, 0)) for name in ("times", "pause_s"))
    ending = Ending(
        Run.State.WARNING if fault.kind in _NO_REPORT else Run.State.ERROR, fault.text, f"source-{fault.kind}",
        fault.evidence,
    )
    if run.only_to or not fault.kind.is_passing or run.try_number > times:
        return ending
    log = with_line(run.log, now, fault.text, Level.WARNING)
    if fault.evidence:
        log = with_line(log, now, worded("It said: {evidence}", evidence=evidence_of(fault.evidence)), Level.WARNING)
    run.log = log
    left = times - run.try_number + 1
    text = worded("Tries again in {minutes} min. Tries left: {left}.", minutes=pause_s // 60, left=left)
    raise RunPostponed(text, now + timedelta(seconds=pause_s))
