"""The page Suppressed recipients, and what a list and a message tell of what came back."""

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from tests.bounced import NOW, complaint, dsn, sent

from postroom.flow.delivery.bounce import Way, take_report
from postroom.flow.recipients.suppression import Entry, suppress
from postroom.flow.recipients.unsubscribe import leave
from postroom.store.models import AuditEntry, Suppression, UnsubscribeLink, User


def add(address: str = "ann@example.com", **values: str) -> Suppression:
    return suppress([Entry(address, **values)], actor="test", now=timezone.now())[0]


def text_of(page: Client, address: str) -> str:
    answer = page.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def downloaded(page: Client) -> bytes:
    answer = page.get("/suppressions/export")
    assert answer["Content-Type"].startswith("text/csv")
    return b"".join(answer)


def test_an_empty_list_says_how_addresses_come_on_it(page: Client) -> None:
    assert "Everybody gets their mail" in text_of(page, "/suppressions")


def test_each_address_stands_with_reason_scope_and_evidence(page: Client) -> None:
    add(reason="hard-bounce", evidence="550 5.1.1 <b>unknown</b>")
    add("ben@example.com", reason="unsubscribe", list_name="Weekly")
    text = text_of(page, "/suppressions")
    assert "550 5.1.1 &lt;b&gt;unknown&lt;/b&gt;" in text
    assert "Bounced for good" in text
    assert "mail of “Weekly”" in text


def test_the_list_can_be_searched_by_address_list_and_reason(page: Client) -> None:
    add(reason="hard-bounce")
    add("ben@example.com", reason="unsubscribe", list_name="Weekly")
    assert "ben@example.com" not in text_of(page, "/suppressions?q=ANN@")
    assert "ann@example.com" not in text_of(page, "/suppressions?q=Weekly")
    assert "ann@example.com" not in text_of(page, "/suppressions?reason=unsubscribe")
    assert "Nobody fits these filters" in text_of(page, "/suppressions?q=nobody")


def test_more_than_a_page_of_them_are_reached_page_by_page(page: Client) -> None:
    entries = [Entry(f"a{number:03}@example.com") for number in range(60)]
    suppress(entries, actor="test", now=timezone.now())
    first = page.get("/suppressions")
    assert "a059@" in first.content.decode()
    assert "a005@" not in first.content.decode()
    older = first.context["suppressed"].older
    assert "a005@" in text_of(page, f"/suppressions?{older}")


@pytest.mark.parametrize(("scope", "list_name", "stored"), [
    ("all", "", ""), ("all", "ignored", ""), ("lists", "", "*"), ("list", "Weekly", "Weekly"),
])
def test_an_address_is_added_by_hand(page: Client, scope: str, list_name: str, stored: str) -> None:
    body = {"address": " Ann@Example.com ", "scope": scope, "list": list_name, "evidence": "by phone"}
    assert page.post("/suppressions", body).status_code == 302
    row = Suppression.objects.get()
    assert (row.address, row.list_name, row.evidence, row.reason) == ("ann@example.com", stored, "by phone", "manual")
    assert row.created_by == "marta@norrvik.example"


@pytest.mark.parametrize(("body", "field"), [
    ({"address": "nobody", "scope": "all"}, "address"), ({"address": "a@b.example", "scope": "list"}, "list"),
])
def test_what_can_not_be_added_is_said_beside_its_field(page: Client, body: dict[str, str], field: str) -> None:
    answer = page.post("/suppressions", body)
    assert answer.status_code == 422
    assert f'id="e-{field}"' in answer.content.decode()
    assert not Suppression.objects.exists()


def test_an_address_is_let_back_in_with_a_reason_that_the_audit_trail_keeps(page: Client) -> None:
    row = add(reason="complaint")
    address = f"/suppressions/{row.pk}/remove"
    assert "did not want the mail" in text_of(page, address)
    assert page.post(address, {"why": " "}).status_code == 422
    assert page.post(address, {"why": "asked for it"}).status_code == 302
    assert not Suppression.objects.exists()
    assert AuditEntry.objects.get(action="suppression.remove").changes["why"] == "asked for it"
    assert page.post(address, {"why": "again"}).status_code == 404


def test_w5_the_export_holds_no_formula_and_comes_back_as_it_was(page: Client) -> None:
    add("=sum@example.com", evidence="=1+1;=2")
    add("ben@example.com", reason="unsubscribe", list_name="-Weekly")
    before = set(Suppression.objects.values_list("address", "list_name", "reason", "evidence"))
    octets = downloaded(page)
    for row in csv.reader(io.StringIO(octets.decode())):
        for cell in (part for value in row for part in value.split(";")):
            assert not cell.startswith(("=", "+", "-", "@"))
    Suppression.objects.all().delete()
    answer = page.post("/suppressions/import", {"file": SimpleUploadedFile("x.csv", octets)})
    assert answer.status_code == 302
    assert set(Suppression.objects.values_list("address", "list_name", "reason", "evidence")) == before
    assert AuditEntry.objects.filter(action="suppressions.export").exists()


def test_a_file_of_bare_addresses_is_taken(page: Client) -> None:
    file = SimpleUploadedFile("x.csv", b"\xef\xbb\xbfann@example.com\r\n\r\nben@example.com\r\nann@example.com\r\n")
    assert page.post("/suppressions/import", {"file": file}).status_code == 302
    assert set(Suppression.objects.values_list("address", flat=True)) == {"ann@example.com", "ben@example.com"}


@pytest.mark.parametrize(("octets", "said"), [
    (b"address,reason\r\nann@example.com,manual\r\nnobody,manual\r\n", "Line 3"),
    (b"address,reason\r\nann@example.com,because\r\n", "Line 2"), (b"\xff\xfe", "UTF-8"), (b'a,"b\r\n', "no CSV"),
])
def test_a_file_with_a_fault_is_refused_whole_with_the_line(page: Client, octets: bytes, said: str) -> None:
    answer = page.post("/suppressions/import", {"file": SimpleUploadedFile("x.csv", octets)})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Suppression.objects.exists()


def test_a_viewer_reads_the_list_and_is_offered_no_change(viewer: User) -> None:
    row = add()
    client = Client()
    client.force_login(viewer)
    text = text_of(client, "/suppressions")
    assert row.address in text
    assert 'action="/suppressions"' not in text
    assert f"/suppressions/{row.pk}/remove" not in text


def test_what_came_back_stands_in_list_timeline_and_filter(page: Client) -> None:
    first = sent()
    second = sent("ben@customer.example", message_id="<01kother@reports.example>")
    take_report(dsn(diagnostic="smtp; 550 5.1.1 <script>unknown</script>"), Way.API, NOW)
    take_report(complaint("ben@customer.example", "<01kother@reports.example>"), Way.API, NOW)
    listed = text_of(page, "/messages?period=all")
    assert "Came back" in listed
    assert "Complaint" in listed
    assert second.message_id not in text_of(page, "/messages?bounce=failed")
    assert first.message_id in text_of(page, "/messages?bounce=failed")
    timeline = text_of(page, f"/messages/{first.message_id}")
    assert "Came back: the recipient does not exist" in timeline
    assert "&lt;script&gt;unknown&lt;/script&gt;" in timeline
    assert "Accepted into the queue" in timeline


def test_of_several_recipients_each_that_came_back_has_its_badge(page: Client) -> None:
    first = sent()
    sent("ben@customer.example", message=first.message)
    take_report(dsn(), Way.API, NOW)
    text = text_of(page, f"/messages/{first.message_id}")
    assert text.count("pr-plain-badge pr-bad") == 1


def test_a_message_whose_recipient_gets_no_more_mail_says_so_and_leads_to_the_list(page: Client) -> None:
    delivery = sent()
    address = f"/messages/{delivery.message.pk}"
    add(delivery.recipient, list_name="Weekly", reason="unsubscribe")
    assert "gets no more mail" not in text_of(page, address)
    add(delivery.recipient, reason="hard-bounce")
    text = text_of(page, address)
    assert "anna@customer.example gets no more mail: bounced for good." in text
    assert 'href="/suppressions?q=anna%40customer.example"' in text


def test_who_left_a_list_is_told_in_the_readers_own_words_alone(page: Client) -> None:
    link = UnsubscribeLink.objects.create(address="ann@example.com", list_name="Weekly", created_at=timezone.now())
    leave(link, timezone.now())
    text = text_of(page, "/suppressions")
    assert "by the recipient" in text
    assert "The recipient used the link" not in text
