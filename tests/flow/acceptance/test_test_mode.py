"""Test mode: for a while everything goes to one address, says to whom it would have gone, and ends by itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync
from tests.flow.acceptance.test_accept import HELLO, accepted, refused, saved
from tests.flow.acceptance.test_accept_raw import MAIL, NOW, RELAY, arrived, current, queued
from tests.outbox import octets_of

from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.acceptance.resend import Hand, resend
from postroom.flow.acceptance.test_mode import (
    clear_for_server,
    clear_for_site,
    set_for_server,
    set_for_site,
    site_test_mode,
)
from postroom.flow.domains.recipient_domains import allow_only, allowed_domains
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.messages.request import Request
from postroom.message.draft import Draft
from postroom.message.test_mode import redirected
from postroom.store.blobs import Blobs
from postroom.store.content import BlobPart
from postroom.store.models import AuditEntry, Delivery, Message, UnsubscribeLink
from postroom.store.outbox import open_outbox
from postroom.terms.address import Mailbox, parse_address
from postroom.terms.problem import Problem
from postroom.terms.test_mode import Extent, TestMode

pytestmark = pytest.mark.django_db(transaction=True)
TESTER = "marta@company.example"
MODE = TestMode(Extent.SITE, TESTER, NOW + timedelta(hours=1), "admin@company.example")
TO_MANY = {
    "to": ["Ann <ann@example.com>", "bob@example.com"], "cc": "carol@example.com", "bcc": "dan@example.com",
    "subject": "Sales", "text": "Hello", "html": "<html><BODY class='x'><p>Hello</p></body></html>",
}


@pytest.fixture
def acceptor(tmp_path: Path) -> Iterator[Acceptor]:
    outbox = open_outbox()
    yield Acceptor(outbox.queue, Blobs(tmp_path / "blobs"))
    outbox.close()


def now() -> datetime:
    return datetime.now(UTC)


def left(tmp_path: Path) -> tuple[Message, EmailMessage]:
    message = Message.objects.get()
    octets = octets_of(message, tmp_path / "blobs")
    return message, message_from_bytes(octets, policy=policy.default)


def parts(mail: EmailMessage) -> tuple[str, str]:
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    return text.get_content(), html.get_content() if html is not None else ""


def test_everything_goes_to_one_address_and_says_to_whom_it_would_have_gone(acceptor: Acceptor, tmp_path: Path) -> None:
    saved()
    set_for_site(TESTER, None, "admin@company.example", now())
    accepted(acceptor, TO_MANY)
    message, mail = left(tmp_path)
    assert list(message.deliveries.values_list("recipient", flat=True)) == [TESTER]
    assert (mail["To"], mail["Cc"], mail["Bcc"]) == (TESTER, None, None)
    assert mail["Subject"] == "[Test for ann@example.com and 3 more] Sales"
    assert (mail["X-Postroom-Test-Mode"], mail["X-Postroom-Test-Recipients"]) == (
        "site", "ann@example.com, bob@example.com, carol@example.com, dan@example.com",
    )
    text, html = parts(mail)
    for body in (text, html):
        assert "Test mode" in body
        for address in ("ann@example.com", "bob@example.com", "Cc: carol@example.com", "Bcc: dan@example.com"):
            assert address in body
    assert text.rstrip().endswith("Hello")
    assert "<BODY class='x'><div" in html
    assert message.metadata["test_recipients"].startswith("ann@example.com, bob@")


def test_it_ends_by_itself(acceptor: Acceptor, tmp_path: Path) -> None:
    saved()
    set_for_site(TESTER, now() + timedelta(hours=1), "admin", now() - timedelta(days=2))
    stored = site_test_mode()
    assert stored is not None
    assert not stored.is_on(now() + timedelta(hours=1, seconds=1))
    clear_for_site("admin")
    set_for_site(TESTER, now() - timedelta(seconds=1), "admin", now() - timedelta(days=2))
    accepted(acceptor, HELLO)
    assert left(tmp_path)[1]["To"] == "ann@example.com"


def test_of_a_server_it_holds_for_what_that_server_would_carry_alone(acceptor: Acceptor) -> None:
    saved(is_default=True)
    other = saved(RELAY.changed(name="Other"))
    set_for_server(other.pk, TESTER, None, "admin", now())
    accepted(acceptor, HELLO)
    accepted(acceptor, {**HELLO, "server": "Other"})
    recipients = {m.subject: m.deliveries.get().recipient for m in Message.objects.all()}
    assert recipients == {"Sales": "ann@example.com", "[Test for ann@example.com] Sales": TESTER}
    clear_for_server(other.pk, "admin")
    with pytest.raises(NotPossible):
        clear_for_server(other.pk, "admin")


def test_the_sites_decides_before_the_servers_and_the_servers_before_the_subscriptions(acceptor: Acceptor) -> None:
    server = saved()
    own = TestMode(Extent.SUBSCRIPTION, "own@company.example", now() + timedelta(hours=1))

    def went_to() -> str:
        async_to_sync(acceptor.accept_each)([Request(HELLO, test_mode=own)], None)
        return Message.objects.order_by("-pk")[0].deliveries.get().recipient

    assert went_to() == "own@company.example"
    set_for_server(server.pk, "server@company.example", None, "admin", now())
    assert went_to() == "server@company.example"
    set_for_site(TESTER, None, "admin", now())
    assert went_to() == TESTER


def test_the_link_in_a_test_lets_the_tester_leave_and_not_the_true_recipient(acceptor: Acceptor) -> None:
    saved()
    set_for_site(TESTER, None, "admin", now())
    accepted(acceptor, {**HELLO, "unsubscribe": "weekly"})
    assert list(UnsubscribeLink.objects.values_list("address", flat=True)) == [TESTER]


def test_what_would_be_refused_in_earnest_is_refused_in_a_test(acceptor: Acceptor) -> None:
    saved()
    set_for_site(TESTER, None, "admin", now())
    problem = refused(acceptor, {**HELLO, "to": ["ann@example.com", "bob@example.com"], "unsubscribe": "weekly"})
    assert [error.field for error in problem.errors] == ["unsubscribe"]


@pytest.mark.parametrize(
    ("address", "days", "field"), [("nobody", 1, "address"), (TESTER, -1, "until"), (TESTER, 91, "until")]
)
def test_it_needs_an_address_and_an_end_that_somebody_lives_to_see(address: str, days: int, field: str) -> None:
    with pytest.raises(SettingsRefused) as refusal:
        set_for_site(address, now() + timedelta(days=days), "admin", now())
    assert [problem.field for problem in refusal.value.problems] == [field]
    assert site_test_mode() is None


def test_it_sends_nothing_to_a_domain_that_mail_may_not_go_to(acceptor: Acceptor) -> None:
    saved()
    allow_only(["example.com"], "admin")
    with pytest.raises(SettingsRefused, match="is not allowed here"):
        set_for_site(TESTER, None, "operator", now())
    allow_only([], "admin")
    set_for_site(TESTER, None, "operator", now())
    allow_only(["example.com"], "admin")
    assert [error.code for error in refused(acceptor, HELLO).errors] == ["domain-not-allowed"]
    with pytest.raises(Problem, match="is not allowed here"):
        queued(arrived(recipients=("ann@example.com",)), current(test_mode=MODE, domains=allowed_domains()))


def test_what_was_made_for_its_true_recipients_is_not_resent_while_it_is_on(
    acceptor: Acceptor, settings: Any, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    server = saved()
    hand = Hand("ann", "ann")
    accepted(acceptor, HELLO)
    set_for_server(server.pk, TESTER, None, "admin", now())
    accepted(acceptor, HELLO)
    Delivery.objects.update(state="sent")
    before, test = Message.objects.order_by("pk")
    with pytest.raises(NotPossible, match="Test mode is on"):
        resend(before, hand)
    assert resend(test, hand).deliveries.get().recipient == TESTER
    clear_for_server(server.pk, "admin")
    again = resend(Message.objects.get(pk=before.pk), hand)
    assert again.deliveries.get().recipient == "ann@example.com"


def test_switching_it_is_audited() -> None:
    server = saved()
    set_for_site(TESTER, None, "admin", now())
    set_for_server(server.pk, TESTER, None, "admin", now())
    clear_for_site("admin")
    entries = AuditEntry.objects.filter(action__startswith="test-mode").order_by("pk")
    assert [(entry.action, entry.subject) for entry in entries] == [
        ("test-mode.on", "site"), ("test-mode.on", "Relay"), ("test-mode.off", "site"),
    ]
    assert entries[0].changes["address"] == TESTER


def test_a_long_list_is_counted_and_a_long_address_cut_in_the_subject() -> None:
    many = tuple(Mailbox(parse_address(f"reader{n}@example.com")) for n in range(60))
    long = Mailbox(parse_address("x" * 60 + "@" + "y" * 40 + ".example"))
    draft = Draft(Mailbox(parse_address("reports@company.example")), to=(long, *many), subject="S" * 998, text="T")
    made = redirected(draft, MODE)
    assert len(made.subject) == 998
    assert "… and 60 more] SSS" in made.subject
    assert made.text is not None
    assert "reader48@example.com and 11 more" in made.text
    assert "reader49@" not in made.text


def test_an_html_page_without_a_body_has_the_box_on_top_and_addresses_are_text() -> None:
    to = Mailbox(parse_address('"a&b"@example.com'))
    draft = Draft(Mailbox(parse_address("reports@company.example")), to=(to,), html="<p>Hello</p>")
    page = redirected(draft, MODE).html
    assert page is not None
    assert page.startswith("<div")
    assert "a&amp;b" in page


def raw(octets: bytes = MAIL, **values: Any) -> tuple[Any, EmailMessage]:
    new = queued(arrived(octets, **values), current(test_mode=MODE))
    octets = b"".join(part for part in new.content.parts if isinstance(part, bytes))
    return new, message_from_bytes(octets, policy=policy.default)


def test_a_message_that_came_as_octets_keeps_its_body_behind_the_banner() -> None:
    octets = (
        b"From: App <app@host.example>\r\nTo: Ann <ann@example.org>\r\nCc: carol@example.org\r\nSubject: Sales\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        b"<p>caf\xc3\xa9</p>\r\n"
    )
    new, mail = raw(octets, recipients=("ann@example.org", "carol@example.org", "dan@example.org"))
    assert new.recipients == (TESTER,)
    assert (mail["To"], mail["Cc"]) == (TESTER, None)
    assert mail["Subject"] == new.subject == "[Test for ann@example.org and 2 more] Sales"
    assert mail["X-Postroom-Test-Mode"] == "site"
    banner, body = mail.iter_parts()
    assert "Bcc: dan@example.org" in banner.get_content()
    assert body.get_content() == "<p>café</p>\r\n"
    assert new.needs_8bit


def test_a_client_can_not_say_itself_that_its_message_is_a_test() -> None:
    octets = b"X-Postroom-Test-Recipients: nobody@example.org\r\n" + MAIL
    with pytest.raises(Exception, match="There is no such field"):
        raw(octets)


def test_a_large_body_stays_a_file_of_its_own_with_the_end_behind_it() -> None:
    body = BlobPart("0" * 64, 7)
    header, _, _ = MAIL.partition(b"Up by")
    new = queued(arrived(header, body=body), current(test_mode=MODE))
    before, file, after = new.content.parts
    assert file == body
    assert isinstance(before, bytes)
    assert isinstance(after, bytes)
    boundary = cast(str, message_from_bytes(before).get_boundary()).encode()
    assert before.endswith(b"--" + boundary + b"\r\n\r\n")
    assert after == b"\r\n--" + boundary + b"--\r\n"
