"""A run gives the report of the instant that it stands for, however late it gets to it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from tests.flow.runs.test_run import NOW, STATE, Clock, carried_out, clock, files, mails, runner, source
from tests.subscribed import asked, pushed, subscribed

from postroom.flow.runs.run import Runner
from postroom.policy.report_roots import ReportRoots
from postroom.store.models import ReportSource, Run

__all__ = ["clock", "runner", "source"]
pytestmark = pytest.mark.django_db(transaction=True)
BERLIN = {"words": "every day at 00:30", "time_zone": "Europe/Berlin"}
# In Berlin it is Friday, 20 November, 00:30; NOW is the Monday after.
NOMINAL = datetime(2026, 11, 19, 23, 30, tzinfo=UTC)


@pytest.fixture
def daily(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReportSource:
    """A file of each day, which names the day."""
    for day in range(17, 25):
        (tmp_path / f"2026-11-{day}.csv").write_text(f"day\r\n2026-11-{day}\r\n")
    monkeypatch.setattr(settings, "REPORT_ROOTS", ReportRoots((("reports", str(tmp_path)),)))
    given = {"root": "reports", "pattern": "{today}.csv"}
    return ReportSource.objects.create(name="Daily", kind=ReportSource.Kind.FILE, settings=given)


@pytest.mark.parametrize(
    ("pattern", "name"), [("{today}.csv", "2026-11-20.csv"), ("{yesterday}.csv", "2026-11-19.csv")]
)
def test_s4_a_run_that_is_caught_up_fetches_the_report_of_its_own_day_in_its_own_zone(
    runner: Runner, daily: ReportSource, data_dir: Path, pattern: str, name: str
) -> None:
    daily.settings["pattern"] = pattern
    daily.save()
    subscription = subscribed(daily, schedule=BERLIN, subject="Of {{ run.date }}")
    run = carried_out(runner, Run.objects.create(
        subscription=subscription, nominal_at=NOMINAL, cause=Run.Cause.CATCH_UP, due_at=NOW
    ))
    assert run.state == STATE.SUCCESS
    mail = mails(data_dir)["ann@example.com"]
    assert (mail["Subject"], list(files(mail))) == ("Of 2026-11-20", [name])
    assert run.report is not None
    assert run.report.made_at == NOW, "when it was fetched is another matter"


def test_a_run_by_hand_that_tries_until_after_midnight_fetches_and_names_the_day_on_which_it_began(
    runner: Runner, daily: ReportSource, data_dir: Path, clock: Clock, tmp_path: Path
) -> None:
    evening = NOW + timedelta(hours=15)
    (tmp_path / "2026-11-23.csv").rename(tmp_path / "kept")
    clock.at = evening
    subscription = subscribed(daily, subject="Of {{ run.date }}", retry={"times": 3, "pause_s": 7_200})
    run = carried_out(runner, asked(subscription, evening), evening)
    assert run.state == STATE.WAITING
    (tmp_path / "kept").rename(tmp_path / "2026-11-23.csv")
    clock.at = run.due_at
    assert carried_out(runner, run, clock.at).state == STATE.SUCCESS
    mail = mails(data_dir)["ann@example.com"]
    assert (mail["Subject"], list(files(mail))) == ("Of 2026-11-23", ["2026-11-23.csv"])


@pytest.mark.parametrize(("day", "state"), [("2026-11-20", STATE.SUCCESS), ("2026-11-23", STATE.SKIPPED)])
def test_s4_a_condition_on_a_date_counts_from_the_day_of_the_run_that_is_caught_up(
    runner: Runner, source: ReportSource, day: str, state: str
) -> None:
    pushed(source, NOW, f"day\r\n{day}\r\n".encode())
    condition: dict[str, Any] = {"column": "day", "operator": "is", "value": "today", "rows": "any"}
    subscription = subscribed(source, schedule=BERLIN, conditions={"column_value": condition})
    run = Run.objects.create(subscription=subscription, nominal_at=NOMINAL, cause=Run.Cause.CATCH_UP, due_at=NOW)
    assert carried_out(runner, run).state == state
