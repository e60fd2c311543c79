"""The page of DKIM keys: what to publish, whether it is there, and the switch."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from postroom.flow.domains.check_domain import ask
from postroom.flow.domains.dkim_keys import activate_key, create_key
from postroom.store.models import DkimKey, DomainCheck, User

pytestmark = pytest.mark.django_db


def made(page: Client, **values: str) -> DkimKey:
    answer = page.post("/dkim-keys", {"domain": "company.example", "algorithm": "ed25519", **values})
    assert answer.status_code == 302, answer.content.decode()
    return DkimKey.objects.latest("created_at")


def seen(key: DkimKey, *selectors: str) -> None:
    """A look of the engine that found these keys."""
    check = ask(key.domain, anew=True)
    result = {"parts": {}, "exchangers": [], "published_keys": list(selectors)}
    DomainCheck.objects.filter(pk=check.pk).update(result=result, finished_at=timezone.now())
    DkimKey.objects.filter(selector__in=selectors).update(published_at=timezone.now())


def test_an_empty_page_says_what_that_means(page: Client) -> None:
    text = page.get("/dkim-keys?domain=company.example").content.decode()
    assert "No key yet" in text
    assert 'value="company.example"' in text


def test_a_new_key_shows_the_record_to_publish_and_never_its_private_part(page: Client) -> None:
    key = made(page)
    text = page.get("/dkim-keys").content.decode()
    for shown in (key.record_name, key.record_value, "Not published yet", "Publish this record"):
        assert shown in text
    assert f'data-pr-copy-from="value-{key.pk}"' in text
    assert key.sealed_key not in text
    assert "PRIVATE KEY" not in text


def test_the_page_waits_for_a_look_and_tells_what_it_saw(page: Client) -> None:
    key = made(page)
    page.post(f"/dkim-keys/{key.pk}/check")
    assert f'hx-get="/dkim-keys/{key.pk}/state?tries=1"' in page.get("/dkim-keys").content.decode()
    DomainCheck.objects.update(
        result={"parts": {}, "exchangers": [], "published_keys": []}, finished_at=timezone.now()
    )
    text = page.get(f"/dkim-keys/{key.pk}/state?tries=1").content.decode()
    assert "Not published: the DNS did not show it" in text
    assert "hx-get" not in text
    DomainCheck.objects.all().delete()
    seen(key, key.selector)
    assert "Published: the DNS showed it" in page.get(f"/dkim-keys/{key.pk}/state").content.decode()


def test_a_key_is_switched_on_and_off_and_removed(page: Client) -> None:
    key = made(page)
    seen(key, key.selector)
    page.post(f"/dkim-keys/{key.pk}/activate")
    assert DkimKey.objects.get().state == DkimKey.State.SIGNING
    assert "Mail of company.example is signed from now on." in page.get("/dkim-keys").content.decode()
    page.post(f"/dkim-keys/{key.pk}/remove")
    assert DkimKey.objects.count() == 1
    page.post(f"/dkim-keys/{key.pk}/retire")
    assert DkimKey.objects.get().state == DkimKey.State.RETIRED
    page.post(f"/dkim-keys/{key.pk}/remove")
    assert not DkimKey.objects.exists()


def test_a_key_that_was_not_seen_is_switched_on_only_by_choice(page: Client) -> None:
    key = made(page)
    page.post(f"/dkim-keys/{key.pk}/activate")
    assert DkimKey.objects.get().state == DkimKey.State.NEW
    text = page.get("/dkim-keys").content.decode()
    assert "The DNS does not show this key yet" in text
    [form] = re.findall(r"<form action=\"/dkim-keys/\w+/activate\".*?</form>", text, re.DOTALL)
    assert 'name="unpublished" value="yes"' in form
    assert "data-pr-confirm" in form
    page.post(f"/dkim-keys/{key.pk}/activate", {"unpublished": "yes"})
    assert DkimKey.objects.get().state == DkimKey.State.SIGNING


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"domain": "nothing"}, "Give a full domain"),
        ({"selector": "a b"}, "A selector has 1 to 63"),
        ({"algorithm": "dsa"}, "The algorithm is rsa or ed25519"),
    ],
)
def test_what_can_t_be_a_key_is_told_at_its_field(page: Client, values: dict[str, str], said: str) -> None:
    answer = page.post("/dkim-keys", {"domain": "company.example", "algorithm": "rsa", **values})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not DkimKey.objects.exists()


def test_who_may_not_change_keys_sees_them_without_buttons(page: Client, administrator: User) -> None:
    activate_key(create_key("company.example", "ed25519", "", "test"), "test", unpublished=True)
    User.objects.filter(pk=administrator.pk).update(role=User.Role.VIEWER)
    text = page.get("/dkim-keys").content.decode()
    assert "Signs" in text
    assert "/retire" not in text
    assert page.post("/dkim-keys", {"domain": "other.example", "algorithm": "rsa"}).status_code == 403
