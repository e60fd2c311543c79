"""Test mode in pages: switched on until a time, seen on every page, switched off."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from postroom.flow.acceptance.test_mode import set_for_server, set_for_site, site_test_mode
from postroom.store.models import SmtpServer, User

pytestmark = pytest.mark.django_db
UNTIL = "%Y-%m-%dT%H:%M"
BANNER = "Test mode is on for the whole site."


def text_of(page: Client, address: str) -> str:
    answer = page.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def typed(address: str = "marta@company.example", days: int = 1) -> dict[str, str]:
    return {"address": address, "until": (timezone.localtime() + timedelta(days=days)).strftime(UNTIL)}


def test_the_site_is_put_into_test_mode_and_every_page_says_so(page: Client) -> None:
    assert page.post("/test-mode", typed())["Location"] == "/instance"
    mode = site_test_mode()
    assert mode is not None
    assert mode.address == "marta@company.example"
    for address in ("/", "/messages", "/instance"):
        text = text_of(page, address)
        assert BANNER in text
        assert "goes to marta@company.example only" in text
    page.post("/test-mode", {"do": "off"})
    assert site_test_mode() is None
    assert BANNER not in text_of(page, "/messages")


def test_a_test_mode_that_has_ended_is_not_shown(page: Client) -> None:
    then = timezone.now() - timedelta(days=2)
    set_for_site("marta@company.example", then + timedelta(days=1), "admin", then)
    assert BANNER not in text_of(page, "/messages")


def test_a_server_is_put_into_test_mode_and_its_row_says_so(page: Client, relay: SmtpServer) -> None:
    assert page.post(f"/smtp-servers/{relay.pk}/test-mode", typed())["Location"] == "/smtp-servers"
    assert "All to marta@company.example" in text_of(page, "/smtp-servers")
    assert "sends everything to marta@company.example" in text_of(page, f"/smtp-servers/{relay.pk}/test-mode")
    page.post(f"/smtp-servers/{relay.pk}/test-mode", {"do": "off"})
    assert "All to marta@company.example" not in text_of(page, "/smtp-servers")


@pytest.mark.parametrize(
    ("values", "field"),
    [({"address": "nobody"}, "address"), ({"until": ""}, "until"), ({"until": "yesterday"}, "until"),
     ({"until": "2020-01-01T00:00"}, "until"), ({"until": "9999-12-31T23:59"}, "until")],
)
def test_what_can_not_be_is_said_beside_its_field_and_nothing_typed_is_lost(
    page: Client, values: dict[str, str], field: str
) -> None:
    answer = page.post("/test-mode", {**typed("someone@company.example"), **values})
    assert answer.status_code == 422
    html = answer.content.decode()
    assert f'href="#f-{field}"' in html
    assert f'id="e-{field}"' in html
    assert values.get("address", "someone@company.example") in html
    assert site_test_mode() is None


def test_who_may_not_change_it_sees_that_it_is_on(page: Client) -> None:
    set_for_site("marta@company.example", None, "admin", timezone.now())
    User.objects.update(role=User.Role.VIEWER)
    assert BANNER in text_of(page, "/messages")
    assert "Turn test mode off" not in text_of(page, "/messages")
    assert page.post("/test-mode", {"do": "off"}).status_code == 403


def test_switching_off_what_is_off_says_so(page: Client, relay: SmtpServer) -> None:
    page.post("/test-mode", {"do": "off"})
    assert "Test mode is not on here." in text_of(page, "/messages")
    set_for_server(relay.pk, "marta@company.example", None, "admin", timezone.now())
    assert page.get(f"/smtp-servers/{relay.pk}/test-mode").status_code == 200
