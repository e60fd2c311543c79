"""Invitations and forgotten passwords: by a link in a mail that only its recipient reads."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import Client
from django.utils import timezone

from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.acceptance.test_mode import set_for_site
from postroom.flow.notices.account_mail import queue_account_mail
from postroom.flow.users.account_links import address_of, ask_reset, invited_user
from postroom.store.blobs import Blobs
from postroom.store.models import AccountLink, Message, SandboxMessage, SmtpServer, User
from postroom.store.outbox import open_outbox

from .conftest import PASSWORD

FRESH = "four words of my own"


def path_of(link: AccountLink) -> str:
    return address_of(link).removeprefix(settings.PUBLIC_URL)


@pytest.fixture
def invited() -> AccountLink:
    return invited_user("jonas@norrvik.example", name="Jonas", role="operator", actor="test", now=timezone.now())


@pytest.fixture
def acceptor(relay: SmtpServer) -> Iterator[Acceptor]:
    assert relay
    outbox = open_outbox()
    yield Acceptor(outbox.queue, Blobs(settings.DATA_DIR / "blobs"))
    outbox.close()


def test_an_invited_person_chooses_a_password_and_signs_in_with_it(page: Client, client: Client) -> None:
    values = {"name": "Jonas", "email": "jonas@norrvik.example", "role": "viewer", "way": "invite"}
    shown = page.get(page.post("/users", values)["Location"]).content.decode()
    found = re.search(r'id="link">([^<]+)<', shown)
    assert found
    assert "has not chosen a password yet" in shown
    assert page.get("/users").content.decode().count(found[1]) == 0, "it is shown once"
    path = found[1].removeprefix(settings.PUBLIC_URL)
    assert client.get(path).status_code == 200
    assert client.post(path, {"password": "short"}).status_code == 422
    assert client.post(path, {"password": FRESH})["Location"] == "/login"
    assert "Your password is set." in client.get("/login").content.decode()
    assert client.post("/login", {"email": "jonas@norrvik.example", "password": FRESH})["Location"] == "/"
    assert client.get(path).status_code == 404
    assert "has not chosen a password yet" not in page.get("/users").content.decode()


def test_a_second_invitation_ends_the_first_and_none_goes_to_who_has_a_password(
    page: Client, invited: AccountLink
) -> None:
    user = User.objects.get(email="jonas@norrvik.example")
    page.post(f"/users/{user.pk}/invite")
    assert Client().get(path_of(invited)).status_code == 404
    user.set_password(PASSWORD)
    user.save()
    page.post(f"/users/{user.pk}/invite")
    assert AccountLink.objects.count() == 1


def test_who_invites_in_test_mode_is_told_that_the_mail_waits(page: Client) -> None:
    set_for_site("tester@norrvik.example", None, "test", timezone.now())
    values = {"name": "Jonas", "email": "jonas@norrvik.example", "role": "viewer", "way": "invite"}
    shown = page.get(page.post("/users", values)["Location"]).content.decode()
    assert "Test mode is on: the invitation to jonas@norrvik.example waits until it is over." in shown
    assert "is on its way" not in shown
    assert 'id="link"' in shown


def test_nobody_signs_in_without_a_password(client: Client, invited: AccountLink) -> None:
    assert invited.user is not None
    for password in ("", "None", invited.user.password):
        assert client.post("/login", {"email": "jonas@norrvik.example", "password": password}).status_code == 422


def test_w8_the_page_answers_alike_whether_the_account_exists_or_not(client: Client, administrator: User) -> None:
    texts = []
    for address in (administrator.email, "nobody@norrvik.example"):
        answer = client.post("/forgot-password", {"email": address})
        assert answer.status_code == 200
        texts.append(answer.content.decode().replace(address, "X"))
    strip = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')
    assert strip.sub("", texts[0]) == strip.sub("", texts[1])
    assert AccountLink.objects.count() == 2
    assert client.post("/forgot-password", {"email": "nobody"}).status_code == 422


def test_who_asks_again_and_again_is_slowed_down(client: Client) -> None:
    codes = [client.post("/forgot-password", {"email": "a@norrvik.example"}).status_code for _ in range(7)]
    assert codes == [200] * 5 + [429] * 2


def test_t10_a_reset_ends_every_session_that_was_open(client: Client, administrator: User) -> None:
    other = Client()
    other.post("/login", {"email": administrator.email, "password": PASSWORD})
    assert other.get("/account").status_code == 200
    link = AccountLink.objects.create(
        purpose="reset", user=administrator, address=administrator.email, created_at=timezone.now(),
        expires_at=timezone.now() + timedelta(hours=1),
    )
    client.post(path_of(link), {"password": FRESH})
    assert other.get("/account").status_code == 302


def test_looking_at_a_link_uses_nothing_up_and_a_made_up_one_opens_nothing(
    client: Client, invited: AccountLink
) -> None:
    for _ in range(3):
        assert client.get(path_of(invited)).status_code == 200
        assert client.head(path_of(invited)).status_code == 200
    assert client.post(path_of(invited)[:-1] + "z", {"password": FRESH}).status_code == 404
    assert client.get("/set-password/x").status_code == 404
    assert client.get(path_of(invited))["Referrer-Policy"] == "same-origin"


@pytest.mark.django_db(transaction=True)
def test_the_mail_with_the_link_is_shown_to_nobody_but_its_recipient(
    page: Client, administrator: User, acceptor: Acceptor, viewer: User
) -> None:
    ask_reset(administrator.email, timezone.now())
    async_to_sync(queue_account_mail)(acceptor, timezone.now())
    message = Message.objects.get()
    for part in ("content", "source", "attachments/0"):
        answer = page.get(f"/messages/{message.pk}/{part}")
        assert answer.status_code == 403
        assert "/set-password/" not in answer.content.decode()
    blob = Blobs(settings.DATA_DIR / "blobs").put([f"Message-ID: {message.message_id}\r\n\r\n/set-password/x".encode()])
    caught = SandboxMessage.objects.create(
        received_at=timezone.now(), content_digest=blob.digest, content_size=blob.size_bytes
    )
    client = Client()
    client.force_login(viewer)
    for part in ("", "/source", "/attachments/0"):
        assert client.get(f"/sandbox/{caught.pk}{part}").status_code == 403
    assert "/set-password/x" in page.get(f"/sandbox/{caught.pk}").content.decode()
