"""Stored reports stay as long as somebody needs them, and their octets with them."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from postroom.flow.instance.content_sweep import sweep
from postroom.flow.instance.old_reports import forget_old_reports
from postroom.flow.reports.stored_report import report_blobs, report_content, store_report
from postroom.store.blobs import DamagedBlob
from postroom.store.models import ReportLink, ReportSource, Run, RunRecipient, StoredReport, Subscription

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=30)


def report(text: str, age_days: float, source: ReportSource | None = None) -> StoredReport:
    return store_report(
        source, report_blobs().put([text.encode()]), file_name="a.txt", media_type="", origin="",
        now=NOW - timedelta(days=age_days),
    )


def source_of(kind: str = ReportSource.Kind.PUSHED) -> ReportSource:
    return ReportSource.objects.create(name=f"{kind} {ReportSource.objects.count()}", kind=kind)


def run_of(state: str, stored: StoredReport | None = None) -> Run:
    n = Run.objects.count()
    subscription = Subscription.objects.create(name=f"S{n}", source=source_of(), list_name=f"s{n}")
    return Run.objects.create(subscription=subscription, cause=Run.Cause.MANUAL, state=state, due_at=NOW, report=stored)


def left(since: datetime | None = SINCE) -> set[str]:
    list(forget_old_reports(since, NOW))
    return set(StoredReport.objects.values_list("pk", flat=True))


def test_what_nobody_refers_to_goes_after_a_day() -> None:
    fresh, old = report("fresh", 0.9), report("old", 1.1)
    assert left() == {fresh.pk} != {old.pk}


def test_the_newest_push_of_a_source_stays_however_old() -> None:
    source = source_of()
    report("first", 90, source)
    newest = report("second", 80, source)
    report("file", 80, source_of(ReportSource.Kind.FILE))
    assert left() == {newest.pk}


def test_what_an_unfinished_run_or_its_recipients_need_stays() -> None:
    waiting, of_one, done = report("waiting", 40), report("of one", 40), report("done", 40)
    run = run_of(Run.State.SENDING, waiting)
    RunRecipient.objects.create(run=run, position=1, address="a@b.example", address_key="a@b.example", report=of_one)
    run_of(Run.State.SUCCESS, done)
    assert left() == {waiting.pk, of_one.pk}


def test_the_report_of_a_finished_run_stays_as_long_as_contents_are_kept() -> None:
    young, old = report("young", 29), report("old", 31)
    run_of(Run.State.SUCCESS, young)
    run_of(Run.State.SUCCESS, old)
    assert left() == {young.pk}


def test_where_contents_are_kept_for_ever_reports_of_runs_are() -> None:
    old, unused = report("old", 900), report("unused", 900)
    run_of(Run.State.SUCCESS, old)
    assert left(None) == {old.pk} != {unused.pk}


def test_a_report_stays_until_its_last_link_is_over() -> None:
    linked, over = report("linked", 60), report("over", 60)
    for stored, days in ((linked, 1), (linked, -5), (over, -1)):
        ReportLink.objects.create(report=stored, created_at=NOW, expires_at=NOW + timedelta(days=days))
        ReportLink.objects.filter(report=stored).update(created_at=NOW - timedelta(days=60))
    assert left() == {linked.pk}


def test_the_sweep_of_contents_keeps_the_octets_of_reports_and_takes_those_of_forgotten_ones() -> None:
    kept, gone = report("kept octets", 0.5), report("gone octets", 2)
    list(forget_old_reports(SINCE, NOW))
    for stored in (kept, gone):
        os.utime(report_blobs()._path(stored.digest), (0, 0))
    list(sweep(report_blobs(), SINCE, NOW))
    assert b"".join(report_content(kept).chunks()) == b"kept octets"
    with pytest.raises(DamagedBlob):
        list(report_content(gone).chunks())
