"""The set-up link works once, and only with its code."""

import pytest
from django.test import Client

from postroom.flow.users.first_start import new_setup_code
from postroom.store.models import InstanceValue, User

from .conftest import PASSWORD


def filled(code: str, **changes: str) -> dict[str, str]:
    return {
        "code": code, "name": "Marta Keller", "email": "Marta@Norrvik.example", "password": PASSWORD,
        "time_zone": "Europe/Berlin", **changes,
    }


def test_the_link_prefills_its_code(client: Client) -> None:
    assert b'value="AAAA-BBBB-CCCC"' in client.get("/setup?code=AAAA-BBBB-CCCC").content


def test_typing_begins_at_the_name_or_at_the_refused_field(client: Client) -> None:
    def focused(text: str) -> str:
        return text[: text.index("data-pr-focus")].rsplit(' id="f-', 1)[1].split('"')[0]

    code = new_setup_code()
    assert focused(client.get(f"/setup?code={code}").content.decode()) == "name"
    assert focused(client.post("/setup", filled(code, password="short")).content.decode()) == "password"
    assert "data-pr-focus" not in client.get("/setup").content.decode()


def test_the_code_makes_an_administrator_who_is_signed_in(client: Client) -> None:
    code = new_setup_code()
    assert client.post("/setup", filled(code))["Location"] == "/"
    user = User.objects.get()
    assert (user.email, user.role, user.time_zone) == ("marta@norrvik.example", "administrator", "Europe/Berlin")
    assert b"Welcome, Marta" in client.get("/").content


def test_the_code_may_be_typed_in_small_letters_without_dashes(client: Client) -> None:
    client.post("/setup", filled(new_setup_code().lower().replace("-", " ")))
    assert User.objects.count() == 1


def test_the_code_is_not_stored_in_clear_and_is_gone_after_use(client: Client) -> None:
    code = new_setup_code()
    assert code.replace("-", "") not in str(InstanceValue.objects.get(name="setup_code").value)
    client.post("/setup", filled(code))
    assert not InstanceValue.objects.filter(name="setup_code").exists()


def test_a_wrong_code_is_refused_and_keeps_what_was_typed_except_the_password(client: Client) -> None:
    new_setup_code()
    answer = client.post("/setup", filled("ZZZZ-ZZZZ-ZZZZ"))
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "This code does not match" in text
    assert 'value="Marta Keller"' in text
    assert PASSWORD not in text
    assert not User.objects.exists()


def test_an_older_code_stops_working_when_a_new_one_is_printed(client: Client) -> None:
    older = new_setup_code()
    new_setup_code()
    assert client.post("/setup", filled(older)).status_code == 422


@pytest.mark.parametrize(
    ("password", "remedy"), [("short", "at least 12"), ("1234567890123", "common"), ("", "at least 12")]
)
def test_a_weak_password_is_refused_with_its_remedy(client: Client, password: str, remedy: str) -> None:
    answer = client.post("/setup", filled(new_setup_code(), password=password))
    assert remedy in answer.content.decode()
    assert not User.objects.exists()


def test_an_address_without_a_domain_is_refused_beside_its_field(client: Client) -> None:
    text = client.post("/setup", filled(new_setup_code(), email="marta")).content.decode()
    assert 'id="e-email"' in text


def test_codes_cannot_be_guessed_without_limit(client: Client) -> None:
    code = new_setup_code()
    for _ in range(6):
        client.post("/setup", filled("ZZZZ-ZZZZ-ZZZZ"))
    answer = client.post("/setup", filled(code))
    assert answer.status_code == 429
    assert not User.objects.exists()


@pytest.mark.usefixtures("administrator")
def test_once_there_is_a_user_the_link_only_leads_to_the_sign_in(client: Client) -> None:
    assert client.get("/setup?code=AAAA").headers["Location"] == "/login"
    assert client.post("/setup", filled("AAAA"))["Location"] == "/login"
    with pytest.raises(RuntimeError):
        new_setup_code()
    assert User.objects.count() == 1
