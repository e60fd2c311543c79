"""Signing in reveals nothing, is limited, and ends where it should."""

from typing import Any

import pytest
from django.test import Client, RequestFactory

from postroom.pages.sign_in_limit import FAILURES_BY_ADDRESS, begin_try
from postroom.store.models import User

from .conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("administrator")


def log_in(client: Client, email: str = "marta@norrvik.example", password: str = PASSWORD, **more: str) -> Any:
    return client.post("/login", {"email": email, "password": password, **more})


def test_every_page_sends_a_stranger_to_the_sign_in(client: Client) -> None:
    for path in ("/", "/messages", "/activity", "/smtp-servers", "/sandbox", "/tokens", "/account"):
        assert client.get(path)["Location"].startswith("/login?next="), path


def test_a_right_password_signs_in_whatever_the_case_of_the_address(client: Client) -> None:
    assert log_in(client, "MARTA@norrvik.example")["Location"] == "/"
    assert client.get("/account").status_code == 200


def test_a_wrong_password_and_an_unknown_name_are_told_the_same(client: Client) -> None:
    wrong = client.post("/login", {"email": "marta@norrvik.example", "password": "x"})
    unknown = client.post("/login", {"email": "nobody@norrvik.example", "password": "x"})
    assert wrong.status_code == unknown.status_code == 422
    assert wrong.content.count(b"do not match") == unknown.content.count(b"do not match") == 1


def test_the_sixth_try_after_five_failures_waits_even_with_the_right_password(client: Client) -> None:
    for _ in range(5):
        log_in(client, password="wrong")
    assert log_in(client).status_code == 429
    assert client.get("/").status_code == 302


def test_w8_tries_at_once_count_before_any_of_them_has_failed(rf: RequestFactory) -> None:
    request = rf.post("/login", REMOTE_ADDR="10.0.0.1")
    assert [begin_try(request, "marta@norrvik.example") for _ in range(6)] == [True] * 5 + [False]


def test_signing_in_often_from_one_address_is_no_failure() -> None:
    assert {log_in(Client()).status_code for _ in range(FAILURES_BY_ADDRESS + 5)} == {302}


def test_a_forged_forwarding_header_does_not_evade_the_limit(client: Client) -> None:
    for number in range(5):
        wrong = {"email": "marta@norrvik.example", "password": "x"}
        client.post("/login", wrong, headers={"X-Forwarded-For": f"10.0.0.{number}"})
    right = {"email": "marta@norrvik.example", "password": PASSWORD}
    assert client.post("/login", right, headers={"X-Forwarded-For": "10.9.9.9"}).status_code == 429


def test_w8_failures_from_many_addresses_push_out_no_counter(client: Client, rf: RequestFactory) -> None:
    for _ in range(5):
        log_in(client, password="wrong")
    for number in range(1_000):
        address = f"10.0.{number // 250}.{number % 250}"
        begin_try(rf.post("/login", REMOTE_ADDR=address), f"somebody{number}@example.com")
    assert log_in(client).status_code == 429


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)"]
)
def test_only_a_path_of_ours_is_followed_after_the_sign_in(client: Client, target: str) -> None:
    assert log_in(client, next=target)["Location"] == "/"


def test_the_page_asked_for_comes_after_the_sign_in(client: Client) -> None:
    assert log_in(client, next="/messages?state=failed")["Location"] == "/messages?state=failed"


def test_logging_out_ends_the_session(page: Client) -> None:
    page.post("/logout")
    assert page.get("/account").status_code == 302


def test_logging_out_needs_a_post_so_that_no_link_can_do_it(page: Client) -> None:
    assert page.get("/logout").status_code == 405


def test_w8_the_present_password_can_not_be_guessed_through_an_open_session(
    page: Client, administrator: User
) -> None:
    for _ in range(5):
        wrong = {"password": "guess", "new_password": "a much better secret"}
        assert page.post("/account/password", wrong).status_code == 422
    right = {"password": PASSWORD, "new_password": "a much better secret"}
    answer = page.post("/account/password", right)
    assert (answer.status_code, "Wait five minutes" in answer.content.decode()) == (429, True)
    administrator.refresh_from_db()
    assert administrator.check_password(PASSWORD)


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(client: Client, administrator: User) -> None:
    other = Client()
    other.force_login(administrator)
    log_in(client)
    answer = client.post("/account/password", {"password": PASSWORD, "new_password": "another long phrase here"})
    assert answer["Location"] == "/account"
    assert client.get("/account").status_code == 200
    assert other.get("/account").status_code == 302


def test_the_present_password_is_asked_for(page: Client, administrator: User) -> None:
    answer = page.post("/account/password", {"password": "wrong", "new_password": "another long phrase here"})
    assert answer.status_code == 422
    administrator.refresh_from_db()
    assert administrator.check_password(PASSWORD)


def test_without_any_user_the_sign_in_points_to_the_set_up_link(client: Client) -> None:
    User.objects.all().delete()
    assert "set-up link" in client.get("/login").content.decode()


def test_the_session_cookie_is_unreadable_for_script_and_stays_on_this_site(client: Client) -> None:
    log_in(client)
    cookie = client.cookies["postroom_session"]
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"


def test_the_theme_is_set_by_the_server(page: Client) -> None:
    assert 'data-bs-theme="light"' in page.get("/").content.decode()
    answer = page.post("/appearance", {"theme": "dark", "back": "//evil.example"})
    assert answer["Location"] == "/account"
    assert 'data-bs-theme="dark"' in page.get("/").content.decode()


def test_a_poll_after_the_session_has_ended_loads_the_page_anew(client: Client) -> None:
    answer = client.get("/smtp-tests/X/progress", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer["HX-Refresh"] == "true"
