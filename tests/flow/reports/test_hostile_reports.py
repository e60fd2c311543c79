"""Reports that are meant to harm: what a file says is data, and nothing in it makes Postroom fetch or swell (M6)."""

import io
import socket
import tempfile
import zipfile
from datetime import UTC, datetime

import pytest

from postroom.flow.reports.report_body import report_table
from postroom.flow.reports.rows_file import rows_file
from postroom.flow.reports.stored_report import report_blobs, store_report, with_rows
from postroom.store.models import StoredReport
from postroom.terms.source_fault import SourceFault, SourceFaultKind

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


MIB = 1024 * 1024
SHEET, STRINGS = "xl/worksheets/sheet1.xml", "xl/other.xml"
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
NAMED = f'<Override PartName="/{STRINGS}" ContentType="{TYPE}"/></Types>'


def swollen(*changes: tuple[str, str, str]) -> bytes:
    """A workbook of one row in which, by part, a text stands for another; "" stands for what follows the part."""
    made, octets = io.BytesIO(), io.BytesIO()
    file = rows_file("xlsx", "x", ["Region"], made.write)
    file.row(["North"])
    file.finish()
    with zipfile.ZipFile(io.BytesIO(made.getvalue())) as good:
        parts = {name: good.read(name).decode() for name in good.namelist()}
    for part, old, new in changes:
        text = parts.setdefault(part, "")
        parts[part] = text.replace(old, new) if old else text + new
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as bad:
        for part, text in parts.items():
            bad.writestr(part, text)
    return octets.getvalue()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([(part, "", " " * 5 * MIB)], id=part)
        for part in ("[Content_Types].xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/styles.xml")
    ] + [
        pytest.param([("[Content_Types].xml", "</Types>", NAMED),
                      (STRINGS, "", f'<sst xmlns="{MAIN}"/>' + " " * 65 * MIB)], id="texts"),
        pytest.param([("[Content_Types].xml", "</Types>", NAMED),
                      (STRINGS, "", f'<sst xmlns="{MAIN}"><si><t>{"x" * 9 * MIB}</t></si></sst>')], id="one-text"),
        pytest.param([(SHEET, "North", "x" * 9 * MIB)], id="one-row"),
        pytest.param([(SHEET, "<sheetData>", f"<cols>{' ' * 9 * MIB}</cols><sheetData>")], id="before-the-rows"),
        pytest.param([(SHEET, "</sheetData>", '<row r="1048578"/></sheetData>')], id="rows"),
    ],
)
def test_no_part_row_or_text_of_a_workbook_takes_the_memory_of_others(changes: list[tuple[str, str, str]]) -> None:
    assert with_rows(stored(swollen(*changes), "sales.xlsx")).row_count is None


def test_texts_of_a_workbook_are_found_under_any_name_and_a_sheet_has_as_many_rows_as_it_can() -> None:
    texts = f'<sst xmlns="{MAIN}"><si><t>South</t></si><si><r><t>We</t></r><r><t>st</t></r></si></sst>'
    cells = '<row r="1048576"><c t="s"><v>0</v></c><c t="s"><v>1</v></c></row></sheetData>'
    octets = swollen(("[Content_Types].xml", "</Types>", NAMED), (STRINGS, "", texts), (SHEET, "</sheetData>", cells))
    report = with_rows(stored(octets, "sales.xlsx"))
    assert report.sample["rows"] == [["North"], ["South", "West"]]


def test_the_workbook_of_these_tests_is_read_when_nothing_in_it_harms() -> None:
    report = with_rows(stored(workbook("xl/worksheets/sheet1.xml", "", "South"), "sales.xlsx"))
    assert (report.row_count, report.sample) == (1, {"columns": ["Region"], "rows": [["South"]]})


def test_a_disk_that_refuses_a_workbook_is_a_fault_that_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    report = stored(workbook("xl/worksheets/sheet1.xml", "", "South"), "sales.xlsx")
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null")
    with pytest.raises(SourceFault) as raised:
        with_rows(report)
    assert (raised.value.kind, raised.value.evidence) == (SourceFaultKind.STORAGE, "Not a directory")
