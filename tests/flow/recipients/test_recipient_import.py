"""Files of recipients: looked at line by line, taken, taken back, and written."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from postroom.flow.domains.recipient_domains import allow_only
from postroom.flow.instance.refusals import NotPossible
from postroom.flow.recipients.recipient_export import csv_parts
from postroom.flow.recipients.recipient_file import LINES, FileRefused, rows_of
from postroom.flow.recipients.recipient_import import take, undo
from postroom.flow.recipients.recipient_plan import Fate, planned
from postroom.store.models import AuditEntry, GroupMember, Recipient, RecipientGroup
from postroom.terms.spreadsheet import plain

pytestmark = pytest.mark.django_db
FILE = (
    b"Email,Name,Language,Sales region,Groups\r\n"
    b"ann@example.org,Ann,fr,North,Managers; Board\r\n"
    b"nobody,No One,,,\r\n"
    b"ben@example.org,Ben,,South,\r\n"
    b"ANN@example.org,Ann again,,,\r\n"
    b"carl@example.org,Carl,french,,\r\n"
)


def workbook(*rows: list[Any]) -> bytes:
    book, octets = Workbook(), io.BytesIO()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(octets)
    return octets.getvalue()


def test_a_look_at_a_file_says_of_each_line_what_would_become_of_it_and_stores_nothing() -> None:
    plan = planned(FILE)
    assert [(line.number, line.fate) for line in plan.lines] == [
        (2, Fate.NEW), (3, Fate.BAD), (4, Fate.NEW), (5, Fate.BAD), (6, Fate.BAD),
    ]
    assert [str(line.problem)[:30] for line in plan.bad] == [
        "“nobody” has no @. Enter an ad", "The address is on line 2 alrea", "Enter a language such as en, f",
    ]
    assert (plan.new_groups, plan.value_names) == (("Board", "Managers"), ("sales_region",))
    assert not Recipient.objects.exists()


def test_a_taken_file_adds_the_good_lines_and_the_same_file_again_changes_nothing() -> None:
    entry = take(planned(FILE), file_name="people.csv", actor="test")
    assert (entry.added, entry.changed, entry.left_out) == (2, 0, 3)
    ann = Recipient.objects.get(address_key="ann@example.org")
    assert (ann.name, ann.language, ann.values) == ("Ann", "fr", {"sales_region": "North"})
    assert sorted(ann.groups.values_list("name", flat=True)) == ["Board", "Managers"]
    assert AuditEntry.objects.get(action="recipients.import").changes["added"] == 2
    assert {line.fate for line in planned(FILE).good} == {Fate.SAME}


def test_an_empty_cell_changes_nothing_and_an_undo_sets_back_what_nobody_changed_since() -> None:
    take(planned(FILE), file_name="", actor="test")
    second = (
        b"address,name,sales_region\n"
        b"ann@example.org,,West\nben@example.org,Benedict,\ndora@example.org,Dora,East\n"
    )
    entry = take(planned(second, "Staff"), file_name="", actor="test")
    assert (entry.added, entry.changed) == (1, 2)
    ann, ben = (Recipient.objects.get(address_key=f"{name}@example.org") for name in ("ann", "ben"))
    assert (ann.name, ann.values["sales_region"], ben.name) == ("Ann", "West", "Benedict")
    ben.name = "Benny"
    ben.save()
    assert undo(entry.pk, actor="test") == (1, 1)
    ann.refresh_from_db()
    ben.refresh_from_db()
    assert (ann.values["sales_region"], ben.name) == ("North", "Benny")
    assert not Recipient.objects.filter(address_key="dora@example.org").exists()
    assert not RecipientGroup.objects.filter(name="Staff").exists()
    assert GroupMember.objects.count() == 2
    with pytest.raises(NotPossible):
        undo(entry.pk, actor="test")


def test_a_plan_that_others_overtook_is_not_taken() -> None:
    plan = planned(b"ann@example.org\n")
    Recipient.objects.create(address="ann@example.org", address_key="ann@example.org")
    with pytest.raises(NotPossible):
        take(plan, file_name="", actor="test")


def test_a_workbook_reads_like_the_same_lines_as_csv() -> None:
    rows = ["Nom", "Adresse", "Code"], ["Ann", "ann@example.org", 7.0], [None, None], ["Ben", "ben@example.org"]
    octets = workbook(*rows)
    plan = planned(octets)
    assert [(line.number, line.person.address if line.person else "") for line in plan.lines] == [
        (2, "ann@example.org"), (4, "ben@example.org"),
    ]
    assert plan.lines[0].person is not None
    assert (plan.lines[0].person.name, plan.lines[0].person.values) == ("Ann", {"code": "7"})


def test_semicolons_or_tabs_between_the_columns_are_found_out() -> None:
    for separator in (";", "\t"):
        plan = planned(separator.join(("address", "name")).encode() + b"\n" + f"ann@example.org{separator}Ann".encode())
        assert [line.person.name for line in plan.lines if line.person] == ["Ann"]


@pytest.mark.parametrize(("octets", "said"), [
    (b"", "empty"), (b",,\n", "empty"), (b"\xef\xbb\xbf", "empty"), (workbook(), "empty"),
    (b"\xff\xfe\x00", "UTF-8"), (b'a@example.org,"b', "no CSV"),
    (b"name\nAnn\n", "no column of addresses"),
    (b"address,email\na@example.org,b@example.org\n", "Two columns"), (b"PK\x03\x04rubbish", "damaged"),
    (b"a@b.example\n" * (LINES + 2), "lines"), (b"," * 70, "columns"),
])
def test_a_file_that_cannot_be_read_is_refused_with_the_remedy(octets: bytes, said: str) -> None:
    with pytest.raises(FileRefused) as refused:
        planned(octets)
    assert said in refused.value.text


def test_a_workbook_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.flow.recipients.recipient_file._UNPACKED_BYTES", 1_000)
    with pytest.raises(FileRefused, match="unpacks to more"):
        rows_of(workbook(["address"], ["ann@example.org"]))


def test_a_domain_that_mail_may_not_go_to_is_a_bad_line() -> None:
    allow_only(["example.org"], "test")
    plan = planned(b"ann@example.org\neve@other.example\n")
    assert [(line.typed, line.fate) for line in plan.lines] == [
        ("ann@example.org", Fate.NEW), ("eve@other.example", Fate.BAD),
    ]


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30).map(str.strip))
def test_w5_no_cell_of_an_export_is_a_formula_and_an_import_reads_what_was_there(value: str) -> None:
    Recipient.objects.all().delete()
    Recipient.objects.create(address="ann@example.org", address_key="ann@example.org", values={"note": value})
    file = "".join(csv_parts())
    cells = rows_of(file.encode())[1].cells
    assert cells[5:] in ((value,), (plain(value),), ())
    line = file.split("\r\n", 1)[1].removeprefix("ann@example.org,,,,,").strip('"')
    assert not line.startswith(("=", "+", "-", "@"))


def test_an_export_of_everybody_is_taken_as_the_same_again() -> None:
    take(planned(FILE), file_name="", actor="test")
    file = "".join(csv_parts())
    assert file.splitlines()[0] == "address,name,language,time_zone,groups,sales_region"
    assert "Board; Managers" in file
    assert {line.fate for line in planned(file.encode()).lines} == {Fate.SAME}
    board = RecipientGroup.objects.get(name="Board")
    assert len("".join(csv_parts(board)).splitlines()) == 2


def test_an_export_names_its_values_as_they_are_kept_so_that_what_is_edited_there_changes() -> None:
    values = {"Region": "North", "region": "west", "nom": "Lee", "Mail": "pigeon", "lang": "de", "Name": "Annie"}
    Recipient.objects.create(address="ann@example.org", address_key="ann@example.org", name="Ann", values=values)
    file = "".join(csv_parts())
    assert {line.fate for line in planned(file.encode()).lines} == {Fate.SAME}
    take(planned(file.replace("North", "South").replace("Lee", "Ray").encode()), file_name="", actor="test")
    ann = Recipient.objects.get()
    assert (ann.name, ann.values) == ("Ann", {**values, "Region": "South", "nom": "Ray"})


def test_a_value_that_reads_the_same_in_a_file_stays_a_number_or_true_or_false() -> None:
    values = {"rank": 2, "rate": 0.5, "vip": False, "none": None, "text": "2\r\n3"}
    Recipient.objects.create(address="ann@example.org", address_key="ann@example.org", values=values)
    file = "".join(csv_parts())
    assert {line.fate for line in planned(file.encode()).lines} == {Fate.SAME}
    take(planned(b"address,rank,rate,none\nann@example.org,3,0.5,None\n"), file_name="", actor="test")
    assert Recipient.objects.get().values == {**values, "rank": "3", "none": "None"}


def test_a_heading_that_means_a_field_is_that_field_though_a_value_has_its_name() -> None:
    values = {"mail": "pigeon", "Sales_region": "North"}
    Recipient.objects.create(address="ann@example.org", address_key="ann@example.org", values=values)
    take(planned(b"mail,nom,Sales_region,Shoe size\nann@example.org,Ann,South,38\n"), file_name="", actor="test")
    ann = Recipient.objects.get()
    assert ann.name == "Ann"
    assert ann.values == {"mail": "pigeon", "Sales_region": "South", "shoe_size": "38"}


def test_a_large_file_takes_a_bounded_number_of_statements(django_assert_max_num_queries: Any) -> None:
    file = b"address,groups\n" + b"".join(b"p%d@example.org,All\n" % n for n in range(5_000))
    with django_assert_max_num_queries(120):
        take(planned(file), file_name="", actor="test")
    assert Recipient.objects.count() == GroupMember.objects.count() == 5_000
