"""Users invited through the API: by a link that only their mail holds."""

from datetime import datetime

import pytest

from postroom.flow.domains.recipient_domains import allow_only
from postroom.flow.users.account_links import INVITED_FOR, address_of
from postroom.store.models import AccountLink, AuditEntry, User

from .conftest import Call

PATH = "/api/v1/users/invitations"
ANN = {"email": "Ann@example.org", "name": "Ann Lee", "role": "operator"}


def test_a_user_is_invited_and_the_link_is_in_no_answer(admin: Call) -> None:
    answer = admin("post", PATH, ANN)
    made, user, link = answer.json(), User.objects.get(), AccountLink.objects.get()
    assert answer.status_code == 201
    told = (made["user"], made["email"], made["name"], made["role"])
    assert told == (user.pk, "ann@example.org", "Ann Lee", "operator")
    assert not user.has_usable_password()
    valid = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert (valid, made["mailed"]) == (INVITED_FOR, False)
    assert admin("get", PATH).json() == {"invitations": [made]}
    for text in (answer.content.decode(), admin("get", PATH).content.decode()):
        assert link.pk not in text
        assert address_of(link).rpartition("/")[2] not in text
    entry = AuditEntry.objects.get(action="user.invite")
    assert (entry.actor, entry.subject) == ("API token Admin", "ann@example.org")


def test_whoever_was_invited_gets_a_new_link_in_place_of_the_earlier_one(admin: Call) -> None:
    first = admin("post", PATH, ANN).json()
    earlier = AccountLink.objects.get().pk
    again = admin("post", PATH, {**ANN, "email": "ann@EXAMPLE.org", "role": "administrator"})
    assert again.status_code == 200
    assert (again.json()["user"], again.json()["role"]) == (first["user"], "operator")
    assert AccountLink.objects.get().pk != earlier
    assert AuditEntry.objects.filter(action="user.invite").count() == 2


def test_whoever_has_a_password_is_no_more_invited_and_what_is_wrong_is_named(admin: Call) -> None:
    User.objects.create_user("ann@example.org", "correct horse battery", name="Ann")
    taken = admin("post", PATH, ANN)
    assert (taken.status_code, taken.json()["errors"][0]["field"]) == (422, "email")
    assert not AccountLink.objects.exists()


@pytest.mark.parametrize(("values", "field"), [
    ({"email": "nobody"}, "email"), ({"name": ""}, "name"), ({"name": "  "}, "name"), ({"role": "owner"}, "role"),
    ({"password": "x"}, "password"), ({"email": "a@example.org\r\nBcc: b@example.org"}, "email"),
])
def test_what_cannot_be_is_refused_naming_the_field(admin: Call, values: dict[str, str], field: str) -> None:
    answer = admin("post", PATH, {**ANN, **values})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not User.objects.exists()


def test_a_person_who_was_switched_off_is_not_invited(admin: Call) -> None:
    User.objects.create(email="ann@example.org", name="Ann", is_active=False)
    assert admin("post", PATH, ANN).status_code == 422
    assert admin("get", PATH).json() == {"invitations": []}


def test_nobody_is_invited_whom_no_mail_may_reach(admin: Call) -> None:
    allow_only(["example.com"], "ann")
    answer = admin("post", PATH, ANN)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, ["email"])
    assert "Mail to example.org is not allowed" in answer.content.decode()
    assert not User.objects.exists()
    assert admin("post", PATH, {**ANN, "email": "ann@example.com"}).status_code == 201
    allow_only(["example.net"], "ann")
    assert admin("post", PATH, {**ANN, "email": "ann@example.com"}).status_code == 422
