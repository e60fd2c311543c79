"""Reports that are meant to harm: what a file says is data, and nothing in it makes Postroom fetch or swell (M6)."""

import io
import socket
import zipfile
from datetime import UTC, datetime

import pytest

from postroom.flow.reports.report_body import report_table
from postroom.flow.reports.rows_file import rows_file
from postroom.flow.reports.stored_report import report_blobs, store_report, with_rows
from postroom.store.models import StoredReport

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
DOCTYPES = {
    "entity-of-a-file": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    "entity-of-an-address": '<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:9/x">]>',
    "outer-dtd": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    "billion-laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}<!ENTITY e "&l9;">]>',
}


def workbook(part: str, doctype: str, value: str = "&e;") -> bytes:
    """A workbook with the rows Region / North, one part of which begins with `doctype` and holds the entity."""
    made, octets = io.BytesIO(), io.BytesIO()
    file = rows_file("xlsx", "x", ["Region"], made.write)
    file.row(["North"])
    file.finish()
    with zipfile.ZipFile(io.BytesIO(made.getvalue())) as good, zipfile.ZipFile(octets, "w") as bad:
        for name in good.namelist():
            text = good.read(name).decode()
            if name == part:
                head, _, rest = text.partition("?>\n")
                text = f"{head}?>\n{doctype}{rest.replace('North', value).replace('Report', value)}"
            bad.writestr(name, text)
    return octets.getvalue()


def stored(octets: bytes, name: str) -> StoredReport:
    blob = report_blobs().put([octets])
    return store_report(None, blob, file_name=name, media_type="", origin="", now=NOW)


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a report made Postroom reach for the network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refused)


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/styles.xml", "_rels/.rels"])
@pytest.mark.parametrize("kind", sorted(DOCTYPES))
def test_m6_no_entity_of_a_workbook_is_fetched_read_or_blown_up(part: str, kind: str) -> None:
    report = with_rows(stored(workbook(part, DOCTYPES[kind]), "sales.xlsx"))
    told = f"{report.sample}"
    assert "root:" not in told
    assert len(told) < 5_000


@pytest.mark.usefixtures("_no_network")
def test_m6_remote_pictures_and_links_in_cells_are_text() -> None:
    table = report_table(stored(b'Region\r\n"<img src=http://127.0.0.1:9/x>"\r\n', "a.csv"))
    assert table is not None
    assert "<img" not in table
    assert "&lt;img src=http://127.0.0.1:9/x&gt;" in table


@pytest.mark.parametrize(
    "octets",
    [
        b"", b"\xff\xfe\x00", b"\x00" * 10_000, b'"never closed\r\n' * 100, b"PK\x05\x06" + bytes(18),
        b"PK\x03\x04" + b"\xff" * 100, b"a,b\r\n" + b'"' * 50_001,
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_b12_whatever_a_file_holds_it_is_counted_or_has_no_rows(octets: bytes, name: str) -> None:
    report = with_rows(stored(octets, name))
    assert report.row_count is None or report.row_count >= 0
    report_table(report)


def test_the_workbook_of_these_tests_is_read_when_nothing_in_it_harms() -> None:
    report = with_rows(stored(workbook("xl/worksheets/sheet1.xml", "", "South"), "sales.xlsx"))
    assert (report.row_count, report.sample) == (1, {"columns": ["Region"], "rows": [["South"]]})
