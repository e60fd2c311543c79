"""Who may send a page more than a form: people who are signed in and write a message, and nobody else."""

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from postroom.pages.upload import body_limit, takes_upload
from postroom.store.models import User


def may(method: str, path: str, cookie: str) -> bool:
    return bool(async_to_sync(takes_upload)(method, path, cookie))


@pytest.fixture
def cookie(administrator: User) -> str:
    client = Client()
    client.force_login(administrator)
    return f"postroom_theme=dark; postroom_session={client.cookies['postroom_session'].value}"


def test_somebody_signed_in_may_bring_files_along_to_a_message(cookie: str) -> None:
    assert may("POST", "/messages/new", cookie)
    assert body_limit() < 35 * 1024 * 1024


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/messages/new"), ("POST", "/messages/new/"), ("POST", "/messages"), ("POST", "/tokens")],
)
def test_no_other_address_takes_more(cookie: str, method: str, path: str) -> None:
    assert not may(method, path, cookie)


@pytest.mark.parametrize("text", ["", "postroom_session=x", "postroom_session=", "postroom_session", "=;=", "\x00"])
def test_a_stranger_may_not(text: str) -> None:
    assert not may("POST", "/messages/new", text)


def test_a_session_that_is_over_may_not(cookie: str) -> None:
    from django.contrib.sessions.models import Session

    Session.objects.update(expire_date=timezone.now())
    assert not may("POST", "/messages/new", cookie)
