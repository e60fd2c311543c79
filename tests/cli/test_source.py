"""`postroom source`: report sources on the command line."""

import argparse
import io
import json
import sqlite3
from pathlib import Path

import pytest
from django.conf import settings

from postroom.cli import source
from postroom.flow.reports.source_settings import password_of, secret_of
from postroom.policy.report_roots import ReportRoots
from postroom.store.models import AuditEntry, ReportSource, SqlConnection, StoredReport

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command stands on this test process's database; reports lie in a folder named reports."""
    monkeypatch.setattr(source, "open_instance", lambda _: True)
    monkeypatch.setattr(settings, "REPORT_ROOTS", ReportRoots((("reports", str(tmp_path)),)))
    return tmp_path


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    source.add_arguments(parser)
    return source.run(parser.parse_args(words))


def test_a_file_is_added_tried_and_removed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "Sales", "--file", "reports:{region}.csv", "--fresh-hours", "8000") == 0
    assert run("try", "Sales", "--value", "region=north") == 1
    assert "missing: No file matches north.csv." in capsys.readouterr().err
    (folder / "north.csv").write_text("Region\r\nNorth\r\n")
    assert run("try", "Sales", "--value", "region=north") == 0
    assert json.loads(capsys.readouterr().out)["row_count"] == 1
    assert run("list") == 0
    assert "Sales" in capsys.readouterr().out
    assert run("remove", "Sales") == 0
    assert not ReportSource.objects.exists()
    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"command line"}


def test_a_query_reads_a_connected_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sqlite3.connect(folder / "shop.db").close()
    assert run("connect", "Shop", "--sqlite", "reports:shop.db") == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 1 AS n UNION SELECT 2"))
    assert run("add", "Numbers", "--query", "-", "--connection", "Shop", "--format", "xlsx") == 0
    capsys.readouterr()
    assert run("try", "Numbers") == 0
    assert json.loads(capsys.readouterr().out)["file_name"] == "Numbers.xlsx"
    assert run("list", "--json") == 0
    assert json.loads(capsys.readouterr().out)["sql_connections"][0]["name"] == "Shop"


def test_secrets_come_from_standard_input_and_are_never_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("canary-7f3a\n"))
    assert run("connect", "Shop", "--postgresql", "reader@db.example:5433/shop", "--password-stdin") == 0
    assert password_of(SqlConnection.objects.get()) == "canary-7f3a"
    monkeypatch.setattr("sys.stdin", io.StringIO("Bearer canary-7f3a\n"))
    assert run("add", "Web", "--url", "https://shop.example/a.pdf", "--secret-stdin") == 0
    assert secret_of(ReportSource.objects.get()) == "Bearer canary-7f3a"
    assert run("list", "--json") == 0
    assert "canary" not in capsys.readouterr().out


def test_a_report_is_pushed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.csv").write_text("Region\r\n")
    assert run("add", "Nightly", "--pushed") == 0
    assert run("push", "Nightly", str(folder / "a.csv")) == 0
    assert '"file_name": "a.csv"' in capsys.readouterr().out
    assert run("push", "Nightly", str(folder / "none.csv")) == 2
    assert StoredReport.objects.count() == 1


@pytest.mark.parametrize(
    "words",
    [
        ("add", "A", "--file", "elsewhere:a.csv"), ("add", "A", "--file", "a.csv"), ("try", "Nobody"),
        ("connect", "A", "--postgresql", "db.example"), ("add", "A", "--url", "ftp://a.example/"),
    ],
)
def test_what_can_not_be_taken_is_wrong_usage(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 2
    assert capsys.readouterr().err
