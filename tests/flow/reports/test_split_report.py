"""A report in pieces, ready to travel: by a column, as a table, zipped, encoded once."""

import base64
import csv
import io
import zipfile
from datetime import UTC, date, datetime, time, timedelta

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.flow.reports.report_body import as_upload, report_table, server_room, zipped
from postroom.flow.reports.rows_file import rows_file
from postroom.flow.reports.split_report import split
from postroom.flow.reports.stored_report import report_blobs, report_content, store_report, with_rows
from postroom.policy.report_form import USUAL_ROOM_BYTES
from postroom.store.models import ServerTest, SmtpServer, StoredReport
from postroom.terms.outcome import TestStatus
from postroom.terms.server import ServerSettings
from postroom.terms.source_fault import SourceFault, SourceFaultKind

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SALES = "Region;Sum;Note\r\nNorth;1;a\r\n\"South; west\";2;'=1+1\r\nNorth;3;c\r\n;4;d\r\n"


def stored(octets: bytes, name: str = "sales.csv", media_type: str = "") -> StoredReport:
    blob = report_blobs().put([octets])
    return store_report(None, blob, file_name=name, media_type=media_type, origin="", now=NOW)


def text_of(report: StoredReport) -> str:
    return b"".join(report_content(report).chunks()).decode("utf-8-sig")


@pytest.mark.django_db
def test_each_value_of_a_column_has_a_file_with_its_rows() -> None:
    pieces = split(stored(SALES.encode()), "region", NOW)
    assert set(pieces) == {"North", "South; west", ""}
    assert text_of(pieces["North"]) == "Region;Sum;Note\r\nNorth;1;a\r\nNorth;3;c\r\n"
    assert text_of(pieces["South; west"]).splitlines()[1] == "\"South; west\";2;'=1+1"
    assert (pieces["North"].file_name, pieces["North"].row_count) == ("sales North.csv", 2)
    assert pieces[""].file_name == "sales.csv"


@pytest.mark.django_db
@pytest.mark.parametrize(("formula", "is_refused"), [('="No"&"rth"', True), (None, False)])
def test_a_column_of_formulas_without_results_divides_nothing(formula: str | None, is_refused: bool) -> None:
    book, octets = openpyxl.Workbook(), io.BytesIO()
    for row in (("Depot", "Region"), ("A", formula), ("B", formula)):
        book.worksheets[0].append(row)
    book.save(octets)
    if not is_refused:
        assert set(split(stored(octets.getvalue(), "sales.xlsx"), "Region", NOW)) == {""}
        return
    with pytest.raises(SourceFault, match="formulas without results"):
        split(stored(octets.getvalue(), "sales.xlsx"), "Region", NOW)


@pytest.mark.django_db
def test_w5_a_cell_of_a_piece_is_no_formula_and_one_that_others_may_divide_is_quoted() -> None:
    pieces = split(stored(b"Region;Note\r\nNorth;12,-\r\nNorth;a,=1+1\r\nNorth;b;-1\r\n"), "Region", NOW)
    assert text_of(pieces["North"]).splitlines()[1:] == ['North;"12,-"', 'North;"a,=1+1"', "North;b;'-1"]


@pytest.mark.django_db
def test_a_workbook_is_divided_into_workbooks_that_keep_dates_and_numbers() -> None:
    octets = io.BytesIO()
    file = rows_file("xlsx", "Sales", ["Region", "Day", "Sum"], octets.write)
    for row in (["North", date(2026, 11, 22), 1.5], ["South", date(2026, 11, 23), None]):
        file.row(row)
    file.finish()
    pieces = split(stored(octets.getvalue(), "sales.xlsx"), "Region", NOW)
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(report_content(pieces["North"]).chunks()))).worksheets[0]
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        ["Region", "Day", "Sum"], ["North", datetime(2026, 11, 22), 1.5],  # noqa: DTZ001 - workbooks know no zone
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("cell", "told"), [(time(8, 30), "08:30:00"), (timedelta(hours=30), "1 day, 6:00:00"), (True, "true")]
)
def test_a_workbook_is_divided_whatever_its_cells_are(cell: object, told: str) -> None:
    workbook, octets = openpyxl.Workbook(), io.BytesIO()
    sheet = workbook.worksheets[0]
    for row in (["Region", "Begin"], ["North", cell]):
        sheet.append(row)
    workbook.save(octets)
    pieces = split(stored(octets.getvalue(), "shifts.xlsx"), "Region", NOW)
    assert with_rows(pieces["North"]).sample["rows"] == [["North", told]]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("octets", "name", "column", "kind"),
    [
        (SALES.encode(), "sales.csv", "Country", SourceFaultKind.PARAMETERS),
        (b"%PDF-1.7", "sales.pdf", "Region", SourceFaultKind.UNREADABLE),
        (b"PK\x03\x04 torn", "sales.xlsx", "Region", SourceFaultKind.UNREADABLE),
        ("Région\r\n".encode("latin-1"), "sales.csv", "Région", SourceFaultKind.UNREADABLE),
    ],
)
def test_s7_what_can_not_be_divided_is_told_and_leaves_no_piece(
    octets: bytes, name: str, column: str, kind: str
) -> None:
    whole = stored(octets, name)
    with pytest.raises(SourceFault) as caught:
        split(whole, column, NOW)
    assert caught.value.kind == kind
    assert StoredReport.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "mebibytes"), [("xl/workbook.xml", 1100), ("xl/sharedStrings.xml", 65)])
def test_a_workbook_that_unpacks_into_too_much_is_not_opened(name: str, mebibytes: int) -> None:
    octets = io.BytesIO()
    with (
        zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as part,
    ):
        for _ in range(mebibytes):
            part.write(bytes(1024 * 1024))
    bomb = stored(octets.getvalue(), "bomb.xlsx")
    assert with_rows(bomb).row_count is None


@pytest.mark.django_db
def test_a_line_that_never_ends_is_no_row() -> None:
    assert with_rows(stored(b"a,b\r\n1,2\r\n" + b"x" * 1_100_000)).row_count is None


@pytest.mark.django_db
def test_a_table_for_the_body_escapes_what_the_report_says() -> None:
    table = report_table(stored(b"<b>,n\r\n<script>,1\r\n"))
    assert table is not None
    assert "<script>" not in table
    assert "&lt;script&gt;" in table
    assert report_table(stored(b"x\r\n" + b"long line\r\n" * 1001)) is None
    assert report_table(stored(b"<p>HTML</p>", "page.html")) is None


@pytest.mark.django_db
def test_a_zip_is_the_same_for_the_same_report_and_holds_it() -> None:
    report = stored(SALES.encode())
    made = zipped(report, NOW)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(report_content(made).chunks())))
    assert (archive.read("sales.csv"), made.file_name) == (SALES.encode(), "sales.zip")
    assert zipped(report, NOW).digest == made.digest


@pytest.mark.django_db
def test_a_report_is_encoded_once_for_all_who_get_it() -> None:
    report = stored(bytes(range(256)) * 1000, "data.bin")
    first, second = as_upload(report, "runs", NOW), as_upload(report, "runs", NOW)
    assert first.pk == second.pk
    encoded = b"".join(report_blobs().unread(first.digest, first.encoded_bytes).chunks())
    assert base64.b64decode(encoded) == bytes(range(256)) * 1000


@pytest.mark.django_db
def test_the_room_is_the_servers_own_limit_or_the_size_it_announced() -> None:
    server = SmtpServer.objects.create(name="Relay", settings=ServerSettings(name="Relay", host="a.example").as_json())
    assert server_room(server) == server_room(None) == USUAL_ROOM_BYTES
    ServerTest.objects.create(
        server=server, settings=server.settings, status=TestStatus.PASSED, created_by="x",
        facts={"size_limit": 5_000_000},
    )
    assert server_room(server) == 5_000_000


_GROUPS = st.text("abc;,\"'= \t\n", max_size=8)
_VALUES = st.text("xyz=+-@\t,;", min_size=1, max_size=8)


@pytest.mark.django_db
@given(st.lists(st.tuples(_GROUPS, _VALUES), max_size=20), st.sampled_from(",;\t|"))
def test_w5_no_row_is_lost_and_no_cell_begins_a_formula(rows: list[tuple[str, str]], delimiter: str) -> None:
    octets = io.BytesIO()
    file = rows_file("csv", "x", ["group", "value"], octets.write, delimiter)
    for row in rows:
        file.row(row)
    file.finish()
    pieces = split(stored(octets.getvalue()), "group", NOW)
    texts = [io.StringIO(text_of(piece), newline="") for piece in pieces.values()]
    back = [row for text in texts for row in list(csv.reader(text, delimiter=delimiter))[1:]]
    assert len(back) == len(rows)
    assert not [cell for row in back for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
