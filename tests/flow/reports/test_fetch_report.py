"""Reports out of files, databases and pushes: whole and stored, or not at all, and why (S7)."""

import csv
import io
import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.conf import settings

from postroom.flow.reports.fetch_report import fetched
from postroom.flow.reports.stored_report import report_blobs, report_content, store_report
from postroom.policy.report_roots import ReportRoots
from postroom.store.models import ReportSource, SqlConnection, StoredReport
from postroom.terms.source_fault import SourceFault, SourceFaultKind

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root named "reports"."""
    root = tmp_path / "reports"
    root.mkdir()
    monkeypatch.setattr(settings, "REPORT_ROOTS", ReportRoots((("reports", str(root)),)))
    return root


def octets_of(report: StoredReport) -> bytes:
    return b"".join(report_content(report).chunks())


def written(path: Path, octets: bytes = b"Region,Sum\r\nNorth,3\r\n", age: timedelta = timedelta(hours=1)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
    at = (NOW - age).timestamp()
    os.utime(path, (at, at))
    return path


def file_source(pattern: str, **more: Any) -> ReportSource:
    given = {"root": "reports", "pattern": pattern, **more}
    return ReportSource.objects.create(name="Sales", kind=ReportSource.Kind.FILE, settings=given)


def fault_of(source: ReportSource, **parameters: Any) -> SourceFault:
    with pytest.raises(SourceFault) as caught:
        fetched(source, parameters, NOW)
    assert StoredReport.objects.count() == 0
    return caught.value


def test_the_newest_file_that_matches_is_the_report(folder: Path) -> None:
    written(folder / "sales" / "old.csv", b"Region\r\n", timedelta(hours=2))
    written(folder / "sales" / "new.csv")
    written(folder / "sales" / "newest.txt", b"no", timedelta(minutes=1))
    report = fetched(file_source("sales/*.csv"), {}, NOW)
    assert (report.file_name, report.row_count, report.media_type) == ("new.csv", 1, "text/csv; charset=utf-8")
    assert octets_of(report) == b"Region,Sum\r\nNorth,3\r\n"
    assert report.sample == {"columns": ["Region", "Sum"], "rows": [["North", "3"]]}


def test_a_pattern_takes_the_day_and_values_that_never_leave_the_folder(folder: Path) -> None:
    written(folder / "2026-11-21" / "x.csv")
    source = file_source("{yesterday}/{name}.csv")
    assert fetched(source, {"name": "x"}, NOW).file_name == "x.csv"
    StoredReport.objects.all().delete()
    for value in ("*", "../2026-11-21/x", "?"):
        assert fault_of(source, name=value).kind == SourceFaultKind.MISSING


def test_no_symbolic_link_leads_out_of_the_root(folder: Path, tmp_path: Path) -> None:
    written(tmp_path / "secret" / "passwords.csv")
    (folder / "link.csv").symlink_to(tmp_path / "secret" / "passwords.csv")
    (folder / "way").symlink_to(tmp_path / "secret")
    assert fault_of(file_source("link.csv")).kind == SourceFaultKind.MISSING
    ReportSource.objects.all().delete()
    assert fault_of(file_source("way/*.csv")).kind == SourceFaultKind.MISSING
    ReportSource.objects.all().delete()
    assert fault_of(file_source("../secret/passwords.csv")).kind == SourceFaultKind.SETTINGS


def test_a_pipe_is_no_report_and_holds_nobody(folder: Path) -> None:
    os.mkfifo(folder / "pipe.csv")
    assert fault_of(file_source("*.csv")).kind == SourceFaultKind.MISSING


def test_s7_an_old_file_is_not_sent_as_if_it_were_new(folder: Path) -> None:
    written(folder / "a.csv", age=timedelta(hours=5))
    fault = fault_of(file_source("*.csv", fresh_within_s=3_600))
    assert (fault.kind, "300 minutes" in fault.text) == (SourceFaultKind.STALE, True)


def test_s7_a_file_that_somebody_still_writes_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "growing.csv"
    path.write_bytes(b"Region\r\n")

    def grow(_seconds: float) -> None:
        with path.open("ab") as file:
            file.write(b"North\r\n")

    monkeypatch.setattr("postroom.flow.reports.read_file.read_newest.__defaults__", (grow,))
    assert fault_of(file_source("*.csv")).kind == SourceFaultKind.GROWING


def test_s7_an_empty_file_is_no_report(folder: Path) -> None:
    written(folder / "empty.csv", b"")
    assert fault_of(file_source("*.csv")).kind == SourceFaultKind.EMPTY


def test_a_folder_that_the_operator_took_back_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(folder / "a.csv")
    monkeypatch.setattr(settings, "REPORT_ROOTS", ReportRoots())
    assert fault_of(file_source("*.csv")).kind == SourceFaultKind.SETTINGS


def database(folder: Path, rows: int = 3) -> SqlConnection:
    with sqlite3.connect(folder / "shop.db") as shop:
        shop.execute("CREATE TABLE sale (region TEXT, amount REAL, note TEXT)")
        shop.executemany(
            "INSERT INTO sale VALUES (?, ?, ?)",
            [(f"r{n}", n + 0.5, "=HYPERLINK(1)" if n else None) for n in range(rows)],
        )
    shop.close()
    return SqlConnection.objects.create(
        name="Shop", kind=SqlConnection.Kind.SQLITE, settings={"root": "reports", "path": "shop.db"}
    )


def sql_source(connection: SqlConnection, query: str, **more: Any) -> ReportSource:
    return ReportSource.objects.create(
        name="Shop sales", kind=ReportSource.Kind.SQL, connection=connection, settings={"query": query, **more}
    )


def test_rows_of_a_query_become_csv_whose_text_is_no_formula(folder: Path) -> None:
    source = sql_source(database(folder), "SELECT * FROM sale WHERE region <> :region", timeout_s=10)
    report = fetched(source, {"region": "r2'; DROP TABLE sale; --"}, NOW)
    lines = list(csv.reader(io.StringIO(octets_of(report).decode("utf-8-sig"))))
    assert lines[0] == ["region", "amount", "note"]
    assert lines[2] == ["r1", "1.5", "'=HYPERLINK(1)"]
    assert (report.row_count, report.file_name) == (3, "Shop sales.csv")


def test_rows_of_a_query_become_a_workbook_that_is_the_same_for_the_same_rows(folder: Path) -> None:
    source = sql_source(database(folder), "SELECT * FROM sale", format="xlsx")
    report = fetched(source, {}, NOW)
    sheet = openpyxl.load_workbook(io.BytesIO(octets_of(report))).worksheets[0]
    assert [[cell.value for cell in row] for row in sheet.iter_rows()][:3] == [
        ["region", "amount", "note"], ["r0", 0.5, None], ["r1", 1.5, "=HYPERLINK(1)"],
    ]
    assert sheet["C3"].data_type == "s"
    assert fetched(source, {}, NOW + timedelta(days=1)).digest == report.digest


def test_rows_of_a_query_become_a_page_in_which_markup_is_text(folder: Path) -> None:
    source = sql_source(database(folder), "SELECT '<script>' AS \"<b>\"", format="html")
    text = octets_of(fetched(source, {}, NOW)).decode()
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert "<b>" not in text


@pytest.mark.parametrize(
    "query",
    [
        "WITH x AS (SELECT 1) DELETE FROM sale", "SELECT load_extension('x')",
        "WITH x AS (SELECT 1) SELECT * FROM x; DROP TABLE sale",
        "PRAGMA writable_schema = 1", "ATTACH 'other.db' AS other", "INSERT INTO sale VALUES (1, 2, 3)",
        "VALUES (1) RETURNING 1", "SELECT * FROM pragma_database_list",
    ],
)
def test_a_query_can_only_read(folder: Path, query: str) -> None:
    connection = database(folder)
    before = (folder / "shop.db").read_bytes()
    assert fault_of(sql_source(connection, query)).kind in (SourceFaultKind.QUERY, SourceFaultKind.SETTINGS)
    assert (folder / "shop.db").read_bytes() == before


def test_s7_no_rows_are_told_and_too_many_are_no_report(folder: Path) -> None:
    connection = database(folder)
    report = fetched(sql_source(connection, "SELECT * FROM sale WHERE 0"), {}, NOW)
    assert report.row_count == 0
    report.delete()
    ReportSource.objects.all().delete()
    assert fault_of(sql_source(connection, "SELECT * FROM sale", most_rows=2)).kind == SourceFaultKind.TOO_MANY_ROWS


def test_s7_a_query_that_does_not_end_is_stopped(folder: Path) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    assert fault_of(sql_source(database(folder), endless, timeout_s=1)).kind == SourceFaultKind.TIMEOUT


def test_a_value_that_the_subscription_lacks_is_named(folder: Path) -> None:
    fault = fault_of(sql_source(database(folder), "SELECT :region"))
    assert (fault.kind, "region" in fault.text) == (SourceFaultKind.PARAMETERS, True)


def test_a_database_outside_of_the_root_is_not_opened(folder: Path, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "own.db").close()
    (folder / "link.db").symlink_to(tmp_path / "own.db")
    for path in ("../own.db", "link.db", str(tmp_path / "own.db")):
        connection = SqlConnection.objects.create(
            name=path, kind=SqlConnection.Kind.SQLITE, settings={"root": "reports", "path": path}
        )
        source = sql_source(connection, "SELECT 1")
        assert fault_of(source).kind == SourceFaultKind.NOT_ALLOWED
        source.delete()


def test_a_source_that_nobody_has_pushed_to_has_no_report() -> None:
    source = ReportSource.objects.create(name="Pushed", kind=ReportSource.Kind.PUSHED)
    assert fault_of(source).kind == SourceFaultKind.MISSING


def test_d10_a_stored_report_that_is_damaged_is_told_and_not_counted() -> None:
    source = ReportSource.objects.create(name="Pushed", kind=ReportSource.Kind.PUSHED)
    blob = report_blobs().put([b"Region\r\nNorth\r\n"])
    StoredReport.objects.create(
        source=source, digest="0" * 64, size_bytes=blob.size_bytes, file_name="a.csv", media_type="text/csv",
        made_at=NOW,
    )
    with pytest.raises(SourceFault) as caught:
        fetched(source, {}, NOW)
    assert caught.value.kind == SourceFaultKind.STORAGE


def test_a_pushed_report_is_counted_by_the_engine(folder: Path) -> None:
    del folder
    source = ReportSource.objects.create(name="Pushed", kind=ReportSource.Kind.PUSHED)
    for n in (1, 2):
        blob = report_blobs().put([b"Region\r\n" + b"North\r\n" * n])
        store_report(
            source, blob, file_name="a.csv", media_type="", origin="", now=NOW + timedelta(seconds=n)
        )
    assert fetched(source, {}, NOW).row_count == 2


@pytest.mark.parametrize("folder_of", [lambda own: own, lambda own: own.parent, lambda own: own / "keys"])
def test_t6_neither_keys_nor_the_database_leave_as_a_report(
    monkeypatch: pytest.MonkeyPatch, folder_of: Callable[[Path], Path]
) -> None:
    own = Path(settings.DATA_DIR)
    monkeypatch.setattr(settings, "REPORT_ROOTS", ReportRoots((("reports", str(folder_of(own))),)))
    for pattern in ("*.key", "keys/*.key", f"{own.name}/keys/*.key"):
        assert fault_of(file_source(pattern)).kind == SourceFaultKind.NOT_ALLOWED
        ReportSource.objects.all().delete()
    connection = SqlConnection.objects.create(
        name="Own", kind=SqlConnection.Kind.SQLITE, settings={"root": "reports", "path": "postroom.sqlite3"}
    )
    assert fault_of(sql_source(connection, "SELECT 1")).kind == SourceFaultKind.NOT_ALLOWED
