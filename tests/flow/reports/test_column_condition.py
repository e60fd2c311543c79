"""A run whose subscription asks for a value of a column: sent, quiet, or an error that names the column."""

import io
import re
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.conf import settings
from tests.flow.runs.test_run import NOW, STATE, Clock, carried_out, clock, runner, source
from tests.subscribed import asked, pushed, subscribed

from postroom.flow.instance.refusals import SettingsRefused
from postroom.flow.reports.split_report import split
from postroom.flow.runs.run import Runner
from postroom.flow.runs.run_log import log_text
from postroom.flow.subscriptions.subscribe import add_subscription, change_subscription
from postroom.policy.report_roots import ReportRoots
from postroom.store.models import Message, ReportSource, Run, SqlConnection, StoredReport, Subscription

__all__ = ["Clock", "clock", "runner", "source"]
pytestmark = pytest.mark.django_db(transaction=True)
BELOW = {"column": "On-time  rate", "operator": "below", "value": "95 %"}
CSV = b"Depot;on-time rate\r\nNorth;96,4 %\r\nSouth;94,9 %\r\nWest;n/a\r\n"


def ran(runner: Runner, source: ReportSource, condition: dict[str, str]) -> Run:
    subscription = subscribed(source, conditions={"column_value": condition})
    return carried_out(runner, asked(subscription, NOW))


@pytest.mark.parametrize(
    ("condition", "slug"),
    [
        (BELOW, ""), (BELOW | {"value": "90 %"}, "no-such-row"), (BELOW | {"rows": "no"}, "such-a-row"),
        (BELOW | {"rows": "no", "value": "90 %"}, ""),
    ],
)
def test_a_report_is_sent_where_its_rows_have_what_is_asked_for_and_not_otherwise(
    runner: Runner, source: ReportSource, condition: dict[str, str], slug: str
) -> None:
    pushed(source, NOW, CSV)
    run = ran(runner, source, condition)
    assert (run.state, (run.problem or {}).get("slug", "")) == (STATE.SKIPPED if slug else STATE.SUCCESS, slug)
    assert Message.objects.count() == (0 if slug else 1)
    assert "could not be compared: 1" in log_text(run)


def test_a_percentage_of_a_workbook_is_compared_as_it_is_shown(runner: Runner, source: ReportSource) -> None:
    pushed(source, NOW, workbook_of("0.0%", 0.964, 0.949), "rates.xlsx")
    assert ran(runner, source, BELOW).state == STATE.SUCCESS
    assert ran_again(runner, BELOW | {"value": "94 %"}).state == STATE.SKIPPED


@pytest.mark.parametrize("shown", ['0.0"%"', "0.0\\%"])
def test_a_percent_sign_that_a_workbook_only_shows_makes_no_hundredth_of_a_number(
    runner: Runner, source: ReportSource, shown: str
) -> None:
    pushed(source, NOW, workbook_of(shown, 96.4, 94.9), "rates.xlsx")
    run = ran(runner, source, BELOW)
    problem: Any = run.problem
    assert run.state == STATE.ERROR
    assert "numbers without %" in problem["text"]
    assert ran_again(runner, BELOW | {"value": "95"}).state == STATE.SUCCESS


def workbook_of(number_format: str, *rates: float | str | None) -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(("Depot", "On-time rate"))
    for number, rate in enumerate(rates, 2):
        sheet.append((f"Depot {number}", rate))
        sheet[f"B{number}"].number_format = number_format
    octets = io.BytesIO()
    workbook.save(octets)
    return octets.getvalue()


@pytest.mark.parametrize("condition", [BELOW, BELOW | {"rows": "no"}, BELOW | {"operator": "is-not", "value": "x"}])
def test_a_column_of_formulas_without_results_is_a_fault_and_no_good_news(
    runner: Runner, source: ReportSource, condition: dict[str, str]
) -> None:
    pushed(source, NOW, workbook_of("0.0%", "=948/1000", "=1-0.051"), "rates.xlsx")
    run = ran(runner, source, condition)
    assert (run.state, (run.problem or {})["slug"]) == (STATE.ERROR, "source-unreadable")
    assert "formulas without results" in run.problem["text"]  # type: ignore[index]
    assert not Message.objects.exists()


def test_a_column_of_formulas_that_come_to_empty_text_is_an_empty_one(runner: Runner, source: ReportSource) -> None:
    octets = emptied(workbook_of("0.0%", '=IF(A2="x","LOW","")', '=IF(A3="x","LOW","")'))
    pushed(source, NOW, octets, "rates.xlsx")
    assert ran(runner, source, BELOW | {"operator": "is", "value": "LOW", "rows": "no"}).state == STATE.SUCCESS
    assert set(split(StoredReport.objects.get(), "On-time rate", NOW)) == {""}


def emptied(workbook: bytes) -> bytes:
    """As a spreadsheet program saves it that has calculated the formulas, and each came to empty text."""
    octets = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(octets, "w") as new:
        for name in old.namelist():
            new.writestr(name, re.sub(rb"<c ([^>]*)><f>", rb'<c \1 t="str"><f>', old.read(name)))
    return octets.getvalue()


def test_an_empty_column_of_a_workbook_is_no_fault(runner: Runner, source: ReportSource) -> None:
    pushed(source, NOW, workbook_of("0.0%", None, None), "rates.xlsx")
    assert ran(runner, source, BELOW | {"rows": "no"}).state == STATE.SUCCESS


def ran_again(runner: Runner, condition: dict[str, str]) -> Run:
    row = Subscription.objects.get()
    Subscription.objects.update(conditions={"column_value": condition})
    return carried_out(runner, asked(row, NOW))


@pytest.mark.parametrize("form", ["csv", "xlsx", "html"])
def test_rows_of_a_query_are_compared_whatever_they_are_written_to(
    runner: Runner, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "REPORT_ROOTS", ReportRoots((("reports", str(tmp_path)),)))
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE rate (depot, \"on-time rate\")")
        database.executemany("INSERT INTO rate VALUES (?, ?)", [("<North>", -0.5), ("South", 94.5)])
    place = {"root": "reports", "path": "shop.db"}
    connection = SqlConnection.objects.create(name="Shop", kind="sqlite", settings=place)
    source = ReportSource.objects.create(
        name="Rates", kind="sql", connection=connection, settings={"query": "SELECT * FROM rate", "format": form}
    )
    assert ran(runner, source, BELOW | {"value": "0"}).state == STATE.SUCCESS
    assert ran_again(runner, {"column": "depot", "operator": "is", "value": "<north>"}).state == STATE.SUCCESS
    assert ran_again(runner, BELOW | {"value": "-0.5"}).state == STATE.SKIPPED


@pytest.mark.parametrize(
    ("octets", "name", "said"),
    [
        (b"Depot,rate\r\nNorth,94 %\r\n", "a.csv", "no column On-time rate. It has: Depot, rate"),
        (b"Depot,On-time rate\r\nNorth,94.2\r\n", "a.csv", "numbers without %"),
        (b"Depot,On-time rate\r\nNorth,good\r\n", "a.csv", "column has none"),
        (b"%PDF-1.7", "a.pdf", "no rows that can be read"),
    ],
)
def test_a_column_that_is_not_there_or_can_not_be_compared_is_an_error_that_names_it_and_no_silence(
    runner: Runner, source: ReportSource, octets: bytes, name: str, said: str
) -> None:
    pushed(source, NOW, octets, name)
    run = ran(runner, source, BELOW | {"column": "On-time rate"})
    problem: Any = run.problem
    assert run.state == STATE.ERROR
    assert said in problem["text"]
    assert "On-time rate" in problem["text"]
    assert not Message.objects.exists()


def test_a_condition_is_kept_as_it_is_said_and_refused_where_it_says_nothing(source: ReportSource) -> None:
    values: dict[str, Any] = {"name": "Rates", "source": source.pk, "subscribers": [{"address": "ann@example.com"}]}
    row = add_subscription(values | {"conditions": {"column_value": BELOW}}, "ann", NOW)
    assert row.conditions["column_value"] == {
        "column": "On-time rate", "rows": "any", "operator": "below", "value": "95 %",
    }
    for change, field in (
        ({"column": " "}, "column"), ({"value": "soon"}, "value"), ({"value": ""}, "value"),
        ({"operator": "near"}, "value"), ({"rows": "some"}, "value"), ({"value": "1,234"}, "value"),
    ):
        with pytest.raises(SettingsRefused) as refused:
            change_subscription(row.pk, {"conditions": {"column_value": BELOW | change}}, "ann", NOW)
        assert [problem.field for problem in refused.value.problems] == [f"conditions.column_value.{field}"]
    assert "column_value" not in change_subscription(row.pk, {"conditions": {}}, "ann", NOW).conditions
