"""The page behind the link in a message: anybody who has the link, and nobody by looking."""

import pytest
from django.test import Client
from django.utils import timezone

from postroom.flow.acceptance.catch import caught
from postroom.store.ids import new_id
from postroom.store.models import Suppression, UnsubscribeLink
from postroom.store.signed_id import BOUNCE_TOKENS, UNSUBSCRIBE_TOKENS

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def link() -> UnsubscribeLink:
    return UnsubscribeLink.objects.create(
        address="ann@example.com", list_name="Weekly <b>sales</b>", created_at=timezone.now()
    )


@pytest.fixture
def address(link: UnsubscribeLink) -> str:
    return f"/unsubscribe/{UNSUBSCRIBE_TOKENS.token(link.pk)}"


def test_s5_whoever_fetches_the_link_changes_nothing(client: Client, address: str) -> None:
    for method in (client.get, client.head, client.get):
        assert method(address).status_code == 200
    assert client.get(f"{address}?List-Unsubscribe=One-Click").status_code == 200
    assert not Suppression.objects.exists()


def test_the_page_has_one_button_and_shows_no_address(client: Client, address: str) -> None:
    page = client.get(address).content.decode()
    assert page.count('method="post"') == 1 + page.count('action="/language"')
    assert "Weekly &lt;b&gt;sales&lt;/b&gt;" in page
    assert "ann@example.com" not in page


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
def test_s5_a_post_leaves_the_list_without_signing_in_as_often_as_it_comes(address: str, kind: str) -> None:
    client = Client(enforce_csrf_checks=True)
    body = "List-Unsubscribe=One-Click"
    if kind.startswith("multipart"):
        body = '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
    for _ in range(3):
        assert client.post(address, body, content_type=kind).status_code == 200
    row = Suppression.objects.get()
    assert (row.address, row.list_name, row.reason) == ("ann@example.com", "Weekly <b>sales</b>", "unsubscribe")


def test_a_post_that_does_not_say_so_changes_nothing(client: Client, address: str) -> None:
    assert client.post(address).status_code == 400
    assert client.post(address, {"List-Unsubscribe": "no"}).status_code == 400
    assert not Suppression.objects.exists()


def test_s6_a_link_that_was_not_made_here_for_this_leads_nowhere(client: Client, link: UnsubscribeLink) -> None:
    token = UNSUBSCRIBE_TOKENS.token(link.pk)
    other = UNSUBSCRIBE_TOKENS.token(new_id())
    for forged in (
        token[:-1] + ("0" if token[-1] != "0" else "1"), token[:26] + other[26:], other, token[:26],
        BOUNCE_TOKENS.token(link.pk), "x", "é" * 60,
    ):
        assert client.post(f"/unsubscribe/{forged}", ONE_CLICK).status_code == 404, forged
        assert client.get(f"/unsubscribe/{forged}").status_code == 404, forged
    assert not Suppression.objects.exists()


def test_s6_a_link_used_again_after_somebody_was_let_back_in_leaves_that_list_and_no_other(
    client: Client, address: str
) -> None:
    client.post(address, ONE_CLICK)
    Suppression.objects.all().delete()
    client.post(address, ONE_CLICK)
    assert list(Suppression.objects.values_list("list_name", flat=True)) == ["Weekly <b>sales</b>"]


def test_the_page_speaks_the_language_that_the_browser_asks_for(client: Client, address: str) -> None:
    page = client.get(address, headers={"Accept-Language": "fr"}).content.decode()
    assert 'lang="fr"' in page


def test_a_caught_message_of_a_list_leads_to_its_link_and_a_made_up_one_nowhere(page: Client, address: str) -> None:
    assert f'href="{address}"' in shown(page, f"https://mail.example{address}")
    for url in ("https://mail.example/unsubscribe/00", f"https://evil.example/x{address}", "javascript:alert(1)"):
        assert "Leave the list" not in shown(page, url)


def shown(page: Client, url: str) -> str:
    """The sandbox's page of a message with that link."""
    raw = f"Subject: News\r\nList-Unsubscribe: <{url}>\r\n\r\nx\r\n".encode()
    return page.get(f"/sandbox/{caught('news@norrvik.example', ['ann@example.com'], raw).pk}").content.decode()
