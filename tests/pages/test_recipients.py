"""Recipients and groups in pages: kept, imported after a look, taken back; the domains that mail may go to."""

import re
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from postroom.flow.domains.recipient_domains import allow_only, allowed_domains
from postroom.store.models import Recipient, RecipientGroup, ReportSource, Subscriber, Subscription, User

MARKUP = "<script>alert(1)</script>"


def text_of(page: Client, path: str) -> str:
    return page.get(path).content.decode()


def undo_of(page: Client, location: str) -> str:
    """The id in the note that offers to undo."""
    found = re.search(r'name="(?:removal|members)" value="(\w+)"', text_of(page, location))
    assert found
    return found[1]


@pytest.fixture
def operator(client: Client) -> Client:
    user = User.objects.create_user("olaf@norrvik.example", "x" * 12, name="Olaf", role=User.Role.OPERATOR)
    client.force_login(user)
    return client


def test_an_operator_adds_a_recipient_with_values_changes_it_and_finds_it_again(operator: Client) -> None:
    group = RecipientGroup.objects.create(name="Board")
    values = {"address": "Ann@example.org", "name": "Ann", "values": "region = North\nrank=2", "groups": [group.pk]}
    assert operator.post("/recipients", values)["Location"] == "/recipients"
    row = Recipient.objects.get()
    assert (row.values, [g.name for g in row.groups.all()]) == ({"region": "North", "rank": "2"}, ["Board"])
    form = text_of(operator, f"/recipients/{row.pk}")
    assert "rank = 2\nregion = North" in form
    assert "checked" in form
    operator.post(f"/recipients/{row.pk}", {**values, "name": "Ann B.", "values": "", "groups": []})
    row.refresh_from_db()
    assert (row.name, row.values, row.groups.count()) == ("Ann B.", {}, 0)
    assert "Ann B." in text_of(operator, "/recipients?q=ann@EXAMPLE")
    assert "Nobody fits these filters" in text_of(operator, "/recipients?q=ben")


def test_nothing_typed_is_lost_and_each_fault_stands_at_its_field_and_in_the_summary(operator: Client) -> None:
    values = {"address": "nobody", "name": MARKUP, "values": "a b = 1", "language": "xxxx"}
    answer = operator.post("/recipients", values)
    text = answer.content.decode()
    assert answer.status_code == 422
    for field in ("address", "values", "language"):
        assert f'id="e-{field}"' in text
        assert f'href="#f-{field}"' in text
    assert 'value="nobody"' in text
    assert "a b = 1" in text
    assert MARKUP not in text


def test_a_removed_recipient_comes_back_into_its_groups(operator: Client) -> None:
    operator.post("/groups", {"name": "Board", "members": "Ann <ann@example.org>, ben@example.org"})
    row = Recipient.objects.get(name="Ann")
    location = operator.post(f"/recipients/{row.pk}/remove")["Location"]
    assert not Recipient.objects.filter(pk=row.pk).exists()
    operator.post("/recipients/undo", {"removal": undo_of(operator, location)})
    assert [g.name for g in Recipient.objects.get(pk=row.pk).groups.all()] == ["Board"]


def test_a_group_is_made_with_its_members_who_leave_and_come_back(operator: Client) -> None:
    typed = '"B, Ann" <ann@example.org>; ben@example.org\ncarl@example.org'
    answer = operator.post("/groups", {"name": "Board", "members": typed})
    group = RecipientGroup.objects.get()
    assert answer["Location"] == f"/groups/{group.pk}"
    assert set(group.members.values_list("name", flat=True)) == {"B, Ann", ""}
    assert group.members.count() == 3
    row = Recipient.objects.get(name="B, Ann")
    location = operator.post(f"/groups/{group.pk}/leave/{row.pk}")["Location"]
    assert group.members.count() == 2
    operator.post(f"/groups/{group.pk}/join", {"members": undo_of(operator, location)})
    assert group.members.count() == 3
    refused = operator.post(f"/groups/{group.pk}/join", {"members": "nobody"})
    assert refused.status_code == 422
    assert "“nobody”" in refused.content.decode()
    location = operator.post(f"/groups/{group.pk}/remove")["Location"]
    operator.post("/groups/undo", {"removal": undo_of(operator, location)})
    assert RecipientGroup.objects.get(pk=group.pk).members.count() == 3


def test_a_file_is_looked_at_before_it_is_taken_and_can_be_taken_back(operator: Client) -> None:
    octets = f"address,name\nann@example.org,Ann\nnobody,{MARKUP}\n".encode()
    answer = operator.post("/recipients/import", {"file": SimpleUploadedFile("list.csv", octets), "group": "Board"})
    text = answer.content.decode()
    assert "“nobody” has no @" in text
    assert MARKUP not in text
    assert "Take over 1 line" in text
    assert not Recipient.objects.exists()
    draft = re.search(r'name="draft" value="([^"]+)"', text)
    assert draft
    taken = {"do": "take", "draft": draft[1], "file_name": "list.csv", "group": "Board"}
    operator.post("/recipients/import", taken)
    assert RecipientGroup.objects.get().members.get().address == "ann@example.org"
    action = re.search(r'action="(/recipients/imports/\w+/undo)"', text_of(operator, "/recipients/import"))
    assert action
    operator.post(action[1])
    assert not Recipient.objects.exists()
    assert "Undone" in text_of(operator, "/recipients/import")


def test_saving_a_recipient_changes_no_value_that_nobody_touched(operator: Client) -> None:
    values = {"rank": 2, "rate": 0.5, "vip": False, "none": None, "text": "a\r\nb\u2028 c ", "region": "North"}
    row = Recipient.objects.create(address="ann@example.org", address_key="ann@example.org", values=values)
    form = operator.get(f"/recipients/{row.pk}").content.decode()
    shown = unescape(re.findall(r'<textarea[^>]*name="values"[^>]*>([^<]*)', form)[0])
    typed = {"address": "ann@example.org", "values": shown.replace("North", "South").replace("\n", "\r\n")}
    operator.post(f"/recipients/{row.pk}", typed)
    row.refresh_from_db()
    assert row.values == {**values, "region": "South"}


@pytest.mark.parametrize("values", [{}, {"draft": "0-1", "do": "take"}, {"draft": f"{'0' * 64}-9", "do": "take"},
                                    {"draft": "../../x-1", "do": "take"}])
def test_without_a_file_the_form_says_so(operator: Client, values: dict[str, str]) -> None:
    answer = operator.post("/recipients/import", values)
    assert answer.status_code == 422
    assert 'id="e-file"' in answer.content.decode()


def test_an_export_has_everybody_or_a_group(operator: Client) -> None:
    operator.post("/groups", {"name": "Board", "members": "ann@example.org"})
    operator.post("/recipients", {"address": "ben@example.org", "name": "=1+1"})
    group = RecipientGroup.objects.get()
    lines = {
        query: b"".join(operator.get(f"/recipients/export{query}")).decode().splitlines()
        for query in ("", f"?group={group.pk}")
    }
    assert lines[""][1:] == ["ann@example.org,,,,Board", "ben@example.org,'=1+1,,,"]
    assert lines[f"?group={group.pk}"][1:] == ["ann@example.org,,,,Board"]


def test_a_long_list_goes_on_by_name_without_losing_anybody(page: Client) -> None:
    Recipient.objects.bulk_create(
        Recipient(address=f"p{n}@example.org", address_key=f"p{n}@example.org", name=f"Person {n % 7}", values={})
        for n in range(120)
    )
    path, seen = "/recipients", list[str]()
    while path:
        text = text_of(page, path)
        seen += re.findall(r"<br><span class=\"pr-2\">(p\d+@example\.org)<", text)
        more = re.search(r'href="(\?[^"]*after=[^"]*)"', text)
        path = f"/recipients{more[1].replace('&amp;', '&')}" if more else ""
    assert len(seen) == len(set(seen)) == 120


def test_only_an_administrator_says_where_mail_may_go_and_everybody_reads_it(page: Client, viewer: User) -> None:
    assert page.post("/recipient-domains", {"domains": "example.org, *.partner.example"}).status_code == 302
    assert allowed_domains().patterns == ("*.partner.example", "example.org")
    refused = page.post("/recipient-domains", {"domains": "no_domain!"})
    assert refused.status_code == 422
    assert "no_domain!" in refused.content.decode()
    client = Client()
    client.force_login(viewer)
    text = text_of(client, "/recipient-domains")
    assert "*.partner.example" in text
    assert "<textarea" not in text
    allow_only([], "test")
    assert "every domain" in text_of(client, "/recipient-domains")


def test_a_viewer_reads_recipients_and_groups_and_is_offered_no_change(page: Client, viewer: User) -> None:
    page.post("/groups", {"name": "Board", "members": "ann@example.org"})
    client = Client()
    client.force_login(viewer)
    for path in ("/recipients", "/groups", f"/groups/{RecipientGroup.objects.get().pk}"):
        text = text_of(client, path)
        assert "Board" in text
        assert 'action="/recipients' not in text
        assert 'action="/groups' not in text


def test_a_group_leads_to_the_subscriptions_that_use_it(page: Client) -> None:
    page.post("/groups", {"name": "Board", "members": "ann@example.org"})
    group, source = RecipientGroup.objects.get(), ReportSource.objects.create(name="Sales", kind="pushed")
    subscription = Subscription.objects.create(name="Weekly sales", source=source, list_name="weekly")
    Subscriber.objects.create(subscription=subscription, group=group)
    assert f'href="/subscriptions/{subscription.pk}">Weekly sales' in text_of(page, f"/groups/{group.pk}")
