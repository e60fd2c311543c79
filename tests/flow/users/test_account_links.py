"""Links to set a password: signed, once, for a while, and nothing told to strangers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from tests.outbox import octets_of

from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.acceptance.test_mode import clear_for_server, clear_for_site, set_for_server, set_for_site
from postroom.flow.instance.refusals import NotPossible
from postroom.flow.notices.account_mail import TAG, is_held_back, queue_account_mail
from postroom.flow.servers.configure import save_untested
from postroom.flow.users.account_links import (
    INVITED_FOR,
    RESET_FOR,
    TOKENS,
    WAITING,
    address_of,
    ask_reset,
    forget_old_links,
    invited_again,
    invited_user,
    link_of,
    set_password,
)
from postroom.flow.users.first_start import change_password
from postroom.flow.users.people import PersonRefused, reset_password
from postroom.store.blobs import Blobs
from postroom.store.models import AccountLink, AuditEntry, Message, SmtpServer, User
from postroom.store.outbox import open_outbox
from postroom.terms.server import Security, ServerSettings

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FRESH = "a fresh password of mine"


@pytest.fixture(autouse=True)
def _quick_password_digests(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def acceptor(tmp_path: Path) -> Iterator[Acceptor]:
    save_untested(
        ServerSettings(name="Relay", from_name="Reports", from_address="reports@company.example",
                       host="smtp.company.example", port=25, security=Security.NONE),
        password=None, based_on=None, server=None, reason="test", use_unverified=True, actor="test",
    )
    outbox = open_outbox()
    yield Acceptor(outbox.queue, Blobs(tmp_path / "blobs"))
    outbox.close()


def user(address: str = "ann@example.org", **values: Any) -> User:
    return User.objects.create_user(address, "the old password", name="Ann", **values)


def queued(acceptor: Acceptor, now: datetime | None = None) -> int:
    return async_to_sync(queue_account_mail)(acceptor, now or datetime.now(UTC))


def token_of(link: AccountLink) -> str:
    return address_of(link).rpartition("/")[2]


def test_an_invitation_is_a_mail_with_a_link_that_sets_the_password_once(
    acceptor: Acceptor, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    link = invited_user("Ann@example.org", name="Ann", role="viewer", actor="marta@norrvik.example", now=now)
    assert link.user is not None
    assert not link.user.has_usable_password()
    assert queued(acceptor) == 1
    assert queued(acceptor) == 0
    message = Message.objects.get()
    assert (message.tags, message.purpose) == ([TAG], "communication")
    assert address_of(link).encode() in octets_of(message, tmp_path / "blobs").replace(b"=\r\n", b"")
    assert set_password(token_of(link), FRESH, now).check_password(FRESH)
    with pytest.raises(NotPossible):
        set_password(token_of(link), FRESH, now)
    actions = AuditEntry.objects.filter(action__startswith="user.").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["user.invite", "user.password", "user.invitation-used"]


def test_w8_who_has_no_account_leaves_the_same_row_and_gets_no_mail(acceptor: Acceptor) -> None:
    user()
    user("gone@example.org", is_active=False)
    now = datetime.now(UTC)
    for address in ("ANN@example.org ", "nobody@example.org", "gone@example.org", "no address"):
        ask_reset(address, now)
    assert AccountLink.objects.filter(user=None, queued_at=None).count() == 4
    assert queued(acceptor) == 1
    link = AccountLink.objects.get()
    assert (link.address, Message.objects.get().deliveries.get().recipient) == ("ann@example.org", "ann@example.org")
    assert set_password(token_of(link), FRESH, now).check_password(FRESH)


def test_t10_no_test_mode_shows_a_tester_a_link_an_invitation_waits_and_a_reset_ends(acceptor: Acceptor) -> None:
    user()
    now, later = datetime.now(UTC), datetime.now(UTC) + timedelta(hours=2)
    server = SmtpServer.objects.get().pk
    ways = ((lambda: set_for_site("tester@example.org", later, "ben", now), lambda: clear_for_site("ben")),
            (lambda: set_for_server(server, "tester@example.org", later, "ben", now),
             lambda: clear_for_server(server, "ben")))
    for number, (on, off) in enumerate(ways):
        on()
        AccountLink.objects.all().delete()
        ask_reset("ann@example.org", now)
        invitation = invited_user(f"eva{number}@example.org", name="Eva", role="viewer", actor="ben", now=now)
        assert is_held_back("ann@example.org", now)
        assert queued(acceptor) == 0
        assert Message.objects.count() == number
        reset = AccountLink.objects.get(purpose="reset")
        assert link_of(token_of(reset), datetime.now(UTC)) is None
        ask_reset("ann@example.org", now)
        off()
        assert queued(acceptor) == 1, "the invitation alone: who asks again at once gets no more"
        assert Message.objects.latest("pk").deliveries.get().recipient == invitation.address
        assert not is_held_back("ann@example.org", now)


def test_an_invitation_that_waits_longer_than_it_is_good_for_is_good_for_as_long_once_it_is_mailed(
    acceptor: Acceptor
) -> None:
    late = datetime.now(UTC)
    begun = late - INVITED_FOR - timedelta(days=3)
    link = invited_user("eva@example.org", name="Eva", role="viewer", actor="ben", now=begun)
    set_for_site("tester@example.org", late + timedelta(hours=2), "ben", late)
    assert (queued(acceptor, late), forget_old_links(late)) == (0, 0)
    clear_for_site("ben")
    assert queued(acceptor, late) == 1
    link.refresh_from_db()
    assert link.expires_at == late + INVITED_FOR
    assert set_password(token_of(link), FRESH, late + timedelta(days=6))


def test_nobody_is_flooded_with_mail_by_those_who_ask_for_resets(acceptor: Acceptor) -> None:
    user()
    for minute in range(4):
        ask_reset("ann@example.org", datetime.now(UTC) + timedelta(seconds=minute))
        queued(acceptor)
    assert Message.objects.count() == 1
    AccountLink.objects.bulk_create(
        AccountLink(purpose="reset", address="x@example.org", created_at=NOW, expires_at=NOW) for _ in range(WAITING)
    )
    ask_reset("x@example.org", NOW)
    assert AccountLink.objects.filter(user=None).count() == WAITING


def test_a_link_ends_with_its_time_with_a_newer_one_and_with_the_right_to_sign_in() -> None:
    link = invited_user("ann@example.org", name="Ann", role="viewer", actor="test", now=NOW)
    assert link.user is not None
    token = token_of(link)
    assert link_of(token, NOW + INVITED_FOR - timedelta(seconds=1)) == link
    assert link_of(token, NOW + INVITED_FOR) is None
    again = invited_again(link.user, actor="test", now=NOW)
    assert link_of(token, NOW) is None
    User.objects.filter(pk=link.user.pk).update(is_active=False)
    assert link_of(token_of(again), NOW) is None


def test_t10_a_new_password_ends_links_to_choose_one_however_it_was_given() -> None:
    ways = (lambda row: change_password(row, FRESH),
            lambda row: reset_password(row.email, password=FRESH, actor="marta@norrvik.example"))
    for number, give in enumerate(ways):
        link = invited_user(f"ann{number}@example.org", name="Ann", role="viewer", actor="test", now=NOW)
        assert link_of(token_of(link), NOW) == link
        give(User.objects.get(pk=link.user_id))
        assert link_of(token_of(link), NOW) is None


def test_a_made_up_token_and_one_of_another_purpose_open_nothing() -> None:
    link = invited_user("ann@example.org", name="Ann", role="viewer", actor="test", now=NOW)
    token = token_of(link)
    assert token != TOKENS.token("0" * 26)
    changed = token[:-1] + ("0" if token[-1] != "0" else "1")
    for other in ("", "x", token[:-1], changed, link.pk, link.pk.lower() + "0" * 26):
        assert link_of(other, NOW) is None
    assert settings.PUBLIC_URL in address_of(link)


def test_a_weak_password_leaves_the_link_as_it_is() -> None:
    link = invited_user("ann@example.org", name="Ann", role="viewer", actor="test", now=NOW)
    with pytest.raises(PersonRefused):
        set_password(token_of(link), "short", NOW)
    assert set_password(token_of(link), FRESH, NOW)


def test_a_request_that_waited_too_long_is_forgotten_and_used_links_go_in_time(acceptor: Acceptor) -> None:
    user()
    ask_reset("ann@example.org", NOW)
    assert queued(acceptor, NOW + RESET_FOR) == 0
    assert not AccountLink.objects.exists()
    link = invited_user("ben@example.org", name="Ben", role="viewer", actor="test", now=NOW)
    set_password(token_of(link), FRESH, NOW)
    assert forget_old_links(NOW + INVITED_FOR) == 0
    assert forget_old_links(NOW + INVITED_FOR + timedelta(days=2)) == 1
