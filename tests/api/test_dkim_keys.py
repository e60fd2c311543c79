"""DKIM keys over the API: made, looked for, switched on; the private part never comes out (T5)."""

from typing import Any

from postroom.store.models import DkimKey, DomainCheck

from .conftest import Call

URL = "/api/v1/dkim-keys"


def made(admin: Call, **values: str) -> dict[str, Any]:
    answer = admin("post", URL, {"domain": "company.example", "algorithm": "ed25519", **values})
    assert answer.status_code == 201, answer.content
    document: dict[str, Any] = answer.json()
    return document


def test_a_key_is_made_with_the_record_to_publish(admin: Call, reader: Call) -> None:
    key = made(admin, selector="pr1")
    assert (key["state"], key["published_at"], key["created_by"]) == ("new", None, "API token Admin")
    assert key["record"]["name"] == "pr1._domainkey.company.example"
    assert key["record"]["value"].startswith("v=DKIM1; k=ed25519; p=")
    assert reader("get", f"{URL}/{key['id']}").json() == key
    assert reader("get", URL).json() == {"dkim_keys": [key]}


def test_a_private_key_never_comes_out(admin: Call) -> None:
    key = made(admin)
    row = DkimKey.objects.get()
    for answer in (admin("get", URL), admin("get", f"{URL}/{key['id']}"), admin("post", f"{URL}/{key['id']}/retire")):
        text = answer.content.decode()
        assert row.sealed_key not in text
        assert "PRIVATE" not in text


def test_a_key_is_switched_on_once_it_was_seen_or_by_choice(admin: Call) -> None:
    path = f"{URL}/{made(admin)['id']}"
    answer = admin("post", f"{path}/activate", {})
    assert (answer.status_code, answer.json()["type"]) == (409, "/api/docs#problem-not-possible")
    assert admin("post", f"{path}/activate", {"unpublished": True}).json()["state"] == "signing"
    assert admin("delete", path).status_code == 409
    assert admin("post", f"{path}/retire").json()["state"] == "retired"
    assert admin("delete", path).status_code == 204
    assert not DkimKey.objects.exists()


def test_a_check_is_a_look_at_the_domain(admin: Call) -> None:
    answer = admin("post", f"{URL}/{made(admin)['id']}/check")
    assert answer.status_code == 202
    assert DomainCheck.objects.get(pk=answer.json()["id"]).domain == "company.example"


def test_what_can_t_be_a_key_is_refused_by_field(admin: Call) -> None:
    for field, value in {"domain": "x", "selector": "-", "algorithm": "x"}.items():
        values = {field: value}
        answer = admin("post", URL, {"domain": "company.example", **values})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
