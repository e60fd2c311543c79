"""People who may sign in: added with a password that is shown once, changed, switched off."""

import pytest
from django.test import Client

from postroom.store.models import AuditEntry, User


def shown_password(text: str) -> str:
    return text.split('id="password">')[1].split("<")[0]


def added(page: Client) -> tuple[User, str]:
    """A new viewer and the page that shows the first password."""
    values = {"name": "Jonas Brandt", "email": "Jonas@norrvik.example", "role": "viewer"}
    answer = page.post("/users", values)
    return User.objects.get(email="jonas@norrvik.example"), page.get(answer["Location"]).content.decode()


def test_an_added_person_signs_in_with_the_password_that_is_shown_once(page: Client, client: Client) -> None:
    user, text = added(page)
    answer = client.post("/login", {"email": user.email, "password": shown_password(text)})
    assert answer["Location"] == "/"
    assert 'id="password"' not in page.get(f"/users?new={user.pk}").content.decode()
    assert AuditEntry.objects.get(action="user.create").subject == user.email


@pytest.mark.parametrize(("values", "field"), [
    ({"name": "", "email": "a@x.example", "role": "viewer"}, "name"),
    ({"name": "A", "email": "nobody", "role": "viewer"}, "email"),
    ({"name": "A", "email": "MARTA@norrvik.example", "role": "viewer"}, "email"),
    ({"name": "A", "email": "a@x.example", "role": "king"}, "role"),
])
def test_a_person_who_cannot_be_added_is_refused_with_the_remedy(
    page: Client, values: dict[str, str], field: str
) -> None:
    answer = page.post("/users", values)
    assert answer.status_code == 422
    assert f'id="e-{field}"' in answer.content.decode()
    assert User.objects.count() == 1


def test_a_new_password_ends_what_was_open_with_the_old_one(page: Client, client: Client) -> None:
    user, text = added(page)
    client.post("/login", {"email": user.email, "password": shown_password(text)})
    assert client.get("/account").status_code == 200
    again = page.get(page.post(f"/users/{user.pk}/password")["Location"]).content.decode()
    assert shown_password(again) != shown_password(text)
    assert client.get("/account").status_code == 302


def test_t10_another_role_or_switching_off_ends_what_was_open_for_good(page: Client, client: Client) -> None:
    user, text = added(page)
    client.post("/login", {"email": user.email, "password": shown_password(text)})
    page.post(f"/users/{user.pk}", {"name": "Jonas B.", "role": "viewer", "active": "on"})
    assert client.get("/account").status_code == 200, "another name is no reason"
    page.post(f"/users/{user.pk}", {"name": user.name, "role": "viewer"})
    page.post(f"/users/{user.pk}", {"name": user.name, "role": "viewer", "active": "on"})
    assert client.get("/account").status_code == 302
    client.post("/login", {"email": user.email, "password": shown_password(text)})
    page.post(f"/users/{user.pk}", {"name": user.name, "role": "administrator", "active": "on"})
    assert client.get("/account").status_code == 302
    assert page.get("/account").status_code == 200


def test_nobody_gets_a_new_password_for_the_own_account_without_the_present_one(
    page: Client, administrator: User
) -> None:
    before = administrator.password
    answer = page.post(f"/users/{administrator.pk}/password")
    administrator.refresh_from_db()
    assert (answer["Location"], administrator.password) == ("/account", before)
    assert page.get("/account").status_code == 200
    assert "/password" not in page.get(f"/users/{administrator.pk}").content.decode()


def test_who_is_switched_off_is_out_at_once_and_cannot_come_back(page: Client, client: Client) -> None:
    user, text = added(page)
    signing_in = {"email": user.email, "password": shown_password(text)}
    client.post("/login", signing_in)
    page.post(f"/users/{user.pk}", {"name": user.name, "role": "viewer"})
    assert client.get("/account").status_code == 302
    assert client.post("/login", signing_in).status_code == 422
    assert "Switched off" in page.get("/users").content.decode()


@pytest.mark.parametrize("values", [{"role": "viewer", "active": "on"}, {"role": "administrator"}])
def test_the_last_administrator_stays_one(page: Client, administrator: User, values: dict[str, str]) -> None:
    answer = page.post(f"/users/{administrator.pk}", {"name": "Marta", **values})
    assert answer.status_code == 422
    assert "Somebody has to administer Postroom." in answer.content.decode()
    administrator.refresh_from_db()
    assert (administrator.role, administrator.is_active) == ("administrator", True)


def test_a_change_of_role_is_noted_with_what_it_was(page: Client) -> None:
    user, _ = added(page)
    page.post(f"/users/{user.pk}", {"name": user.name, "role": "operator", "active": "on"})
    assert AuditEntry.objects.get(action="user.change").changes == {"role": ["viewer", "operator"]}
