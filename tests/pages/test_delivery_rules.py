"""The pages Delivery rules and Explain route."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from postroom.flow.servers import configure
from postroom.flow.servers.delivery_rules import add_rule, rows_in_order
from postroom.store.models import DeliveryRule, Message, SmtpServer, User
from postroom.terms.server import ServerSettings

LIST = "/delivery-rules"


@pytest.fixture
def server(settings_of_relay: ServerSettings) -> SmtpServer:
    return configure.save_untested(
        settings_of_relay, password="secret-canary", based_on=None, server=None, reason="for a test",
        use_unverified=True, make_default=True, actor="test",
    )


def rule(server: SmtpServer, **values: object) -> DeliveryRule:
    return add_rule({"server": server.pk, **values}, "test")


def text_of(page: Client, path: str, **query: str) -> str:
    return " ".join(page.get(path, query).content.decode().split())


def test_without_rules_the_page_says_that_most_need_none(page: Client) -> None:
    text = text_of(page, LIST)
    assert "No rule yet" in text
    assert "default server" in text


def test_a_rule_is_added_and_shown_in_words(page: Client, server: SmtpServer) -> None:
    answer = page.post(f"{LIST}/new", {
        "server": server.pk, "purposes": ["report", "alert"], "recipient_domains": "example.org\n*.example.com",
        "senders": "ann@norrvik.example", "tags": "end of month\n", "min_attempts": "2",
    })
    assert answer.status_code == 302
    text = text_of(page, LIST)
    assert "All recipients in example.org or *.example.com" in text
    assert "From ann@norrvik.example" in text
    assert "Tag: end of month" in text
    assert "After 2 tries without success" in text
    assert "In use" in text


def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_is_kept(page: Client, server: SmtpServer) -> None:
    answer = page.post(f"{LIST}/new", {"recipient_domains": "not_a domain!", "min_attempts": "many", "name": "Mine"})
    text = answer.content.decode()
    assert answer.status_code == 422
    for field in ("server", "recipient_domains", "min_attempts"):
        assert f'id="e-{field}"' in text
    assert "Mine" in text
    assert server.name in text
    assert DeliveryRule.objects.count() == 0


def test_a_removed_rule_comes_back_at_its_place(page: Client, server: SmtpServer) -> None:
    first, second = rule(server, name="First"), rule(server, name="Second")
    answer = page.post(f"{LIST}/{first.pk}/remove")
    assert [row.pk for row in rows_in_order()] == [second.pk]
    text = text_of(page, answer["Location"])
    assert "removed a moment ago" in text
    removal = answer["Location"].split("removed=")[1]
    page.post(f"{LIST}/undo", {"removal": removal})
    assert [(row.pk, row.position) for row in rows_in_order()] == [(first.pk, 0), (second.pk, 1)]
    page.post(f"{LIST}/undo", {"removal": removal})
    assert len(rows_in_order()) == 2


def test_rules_are_moved_and_moved_back(page: Client, server: SmtpServer) -> None:
    first, second = rule(server, name="First"), rule(server, name="Second")
    answer = page.post(f"{LIST}/{second.pk}/move", {"to": "0"}, headers={"HX-Request": "true"})
    assert "Second is now at place 1 of 2." in answer.content.decode()
    assert [row.pk for row in rows_in_order()] == [second.pk, first.pk]
    page.post(f"{LIST}/{second.pk}/move", {"to": "1"})
    assert [row.pk for row in rows_in_order()] == [first.pk, second.pk]


def test_what_is_the_matter_with_a_rule_is_said(page: Client, server: SmtpServer) -> None:
    rule(server, name="Idle")
    rule(server, name="Strict", only=True)
    rule(server, name="Off", enabled=False)
    SmtpServer.objects.filter(pk=server.pk).update(enabled=False)
    text = text_of(page, LIST)
    assert "Passed over: Internal relay takes no deliveries now." in text
    assert "Its messages wait: Internal relay takes no deliveries now." in text
    assert "Switched off" in text
    SmtpServer.objects.filter(pk=server.pk).delete()
    assert "Passed over: its server was removed." in text_of(page, LIST)


def test_a_viewer_reads_the_rules_and_changes_none(viewer: User, server: SmtpServer) -> None:
    row = rule(server, name="First")
    client = Client()
    client.force_login(viewer)
    assert "Add rule" not in text_of(client, LIST)
    for path in (f"{LIST}/new", f"{LIST}/{row.pk}"):
        assert client.get(path).status_code == 403
    for path in (f"{LIST}/{row.pk}/remove", f"{LIST}/{row.pk}/move", f"{LIST}/undo"):
        assert client.post(path).status_code == 403


def test_the_route_of_a_message_is_explained_step_by_step(page: Client, server: SmtpServer) -> None:
    rule(server, name="Reports", purposes=["report"])
    text = text_of(page, "/route", to="ann@example.org", purpose="alert")
    assert "Reports does not decide: the purpose is another." in text
    assert "the default server Internal relay takes it." in text
    assert "Reports fits: Internal relay takes it." in text_of(page, "/route", to="ann@example.org", purpose="report")
    assert "Enter a recipient." in text_of(page, "/route")


def test_an_address_that_cannot_be_read_is_named(page: Client, server: SmtpServer) -> None:  # noqa: ARG001
    answer = page.get("/route", {"to": "nobody"})
    assert answer.status_code == 422
    assert 'id="e-to"' in answer.content.decode()


def test_an_accepted_message_tells_what_will_happen_to_it(page: Client, server: SmtpServer) -> None:
    now = timezone.now()
    message = Message.objects.create(
        server=server, message_id="<m@norrvik.example>", from_header="a@norrvik.example", subject="Monday",
        content_digest="0" * 64, content_size=5, created_at=now, expires_at=now + timedelta(days=1),
    )
    delivery = message.deliveries.create(
        recipient="ann@example.org", state="deferred", attempt_count=2, server=server,
        due_at=now + timedelta(minutes=5), updated_at=now,
    )
    text = text_of(page, f"/messages/{message.pk}/route", delivery=delivery.pk)
    assert "It is with Internal relay." in text
    assert "It waits for its next try." in text
    assert "Try 3." in text
    assert f"/messages/{message.pk}/route?delivery={delivery.pk}" in text_of(page, f"/messages/{message.pk}")
