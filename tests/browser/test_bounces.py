"""What comes back, from the reverse-path that a server heard to the suppressed recipients, and leaving a list."""

import email
import json
import re
import socket
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from playwright.sync_api import Browser, Page, expect
from tests.bounced import dsn
from tests.rig.certificates import certificates_for
from tests.rig.imap import ImapServer, running_imap
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import DESKTOP
from .test_story import TOO_WIDE, complaint_of, findings_of

pytestmark = pytest.mark.browser
EMAIL, ACCOUNT, PASSWORD = "marta.keller@norrvik.example", "correct horse battery staple", "canary 7f3a"
WITHIN_S = 20.0


@dataclass
class Relay:
    """Takes mail from everybody, and remembers who it was from."""

    port: int
    taken: list[tuple[str, str, str]] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        link = email.message_from_bytes(envelope.content)["List-Unsubscribe"] or ""
        self.taken.append((envelope.mail_from, envelope.rcpt_tos[0], link.strip("<>")))
        return "250 2.0.0 ok"


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        relay = Relay(free.getsockname()[1])
    controller = Controller(relay, hostname="127.0.0.1", port=relay.port)
    controller.start()
    yield relay
    controller.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bounces")


@pytest.fixture(scope="module")
def mailbox(folder: Path) -> Iterator[ImapServer]:
    with running_imap(certificates_for(folder, "127.0.0.1"), PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def run(folder: Path, mailbox: ImapServer) -> Iterator[Run]:  # noqa: ARG001  it makes the certificates
    installation = Installation(
        folder / "data", POSTROOM_SMTP_PORTS="1-65535", SSL_CERT_FILE=str(folder / "ca.pem")
    )
    with running_postroom(installation) as run:
        yield run


@pytest.fixture(scope="module")
def page(browser: Browser, run: Run) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    context.set_default_timeout(WITHIN_S * 1_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.extend(complaint_of(said)))
    page.goto(run.setup_url)
    for label, text in (("Your name", "Marta Keller"), ("E-mail address", EMAIL)):
        page.get_by_label(label, exact=True).fill(text)
    page.locator("input[type=password]").first.fill(ACCOUNT)
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_url(re.compile(r"/(?!setup)"))
    yield page
    context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def token(run: Run, relay: Relay) -> str:
    token = run.installation.command("token", "create", "Test", "--scope", "admin").stdout.strip()
    server = {
        "name": "Relay", "host": "127.0.0.1", "port": relay.port, "security": "none", "is_default": True,
        "from_address": "reports@reports.example", "bounce_address": "bounces@reports.example",
        "use_unverified": True, "reason": "test",
    }
    asked(run, token, "/smtp-servers", server)
    return token


def asked(run: Run, token: str, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    header = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{run.url}/api/v1{path}", data, header), timeout=20) as answer:
        return json.load(answer)


def settled(run: Run, token: str, recipient: str, **fields: str) -> Any:
    """The delivery of a message that is handed in, once it has ended."""
    id_ = asked(run, token, "/messages", {"to": recipient, "subject": "Sales", "text": "Hello", **fields})["id"]
    ends = time.monotonic() + WITHIN_S
    while time.monotonic() < ends:
        delivery = asked(run, token, f"/messages/{id_}")["deliveries"][0]
        if delivery["state"] in ("sent", "failed"):
            return delivery
        time.sleep(0.1)
    raise AssertionError(f"still {delivery['state']}")


def looked_at(page: Page, address: str) -> None:
    """The page has no findings, and fits a phone."""
    for width in (1440, 320):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (address, page.evaluate(TOO_WIDE))
        assert findings_of(page) == [], address
    page.set_viewport_size(DESKTOP)


def test_1_the_pages_are_fit_to_read_before_anything_came_back(page: Page, run: Run) -> None:
    for path in ("/suppressions", "/bounce-mailbox"):
        looked_at(page, run.url + path)


def test_2_who_presses_the_button_behind_the_link_gets_no_more_of_the_list_and_still_the_rest(
    page: Page, run: Run, token: str, relay: Relay
) -> None:
    assert settled(run, token, "ann@example.org", unsubscribe="Weekly sales")["state"] == "sent"
    link = relay.taken[-1][2]
    assert link.startswith(f"{run.url}/unsubscribe/")
    looked_at(page, link)
    assert settled(run, token, "ann@example.org", unsubscribe="Weekly sales")["state"] == "sent"
    page.goto(link)
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    delivery = settled(run, token, "ann@example.org", unsubscribe="Weekly sales")
    assert (delivery["state"], delivery["cause"]) == ("failed", "recipient-suppressed")
    assert settled(run, token, "ann@example.org")["state"] == "sent"


def test_3_a_bounce_in_the_mailbox_stands_beside_its_message_and_suppresses_the_address(
    page: Page, run: Run, token: str, relay: Relay, mailbox: ImapServer
) -> None:
    delivery = settled(run, token, "ben@customer.example")
    reverse_path = next(sender for sender, recipient, _ in relay.taken if recipient == "ben@customer.example")
    assert re.fullmatch(r"bounces\+[0-9a-z]{42}@reports\.example", reverse_path)
    mailbox.messages = {7: dsn("ben@customer.example", message_id="", to=reverse_path)}
    page.goto(f"{run.url}/bounce-mailbox")
    for label, text in (
        ("Host Name", "127.0.0.1"), ("Port", str(mailbox.port)), ("Username", "bounces"), ("Password", PASSWORD),
    ):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Save and look").click()
    expect(page.locator("#mailbox-state")).to_contain_text("1 report read so far.")
    page.goto(f"{run.url}/messages/{delivery['message']}")
    expect(page.get_by_text("Came back: the recipient does not exist")).to_be_visible()
    page.goto(f"{run.url}/messages?bounce=failed")
    expect(page.get_by_role("row").filter(has_text="ben@customer.example")).to_contain_text("Came back")
    assert settled(run, token, "ben@customer.example")["cause"] == "recipient-suppressed"
    page.goto(f"{run.url}/activity")
    expect(page.get_by_text("The recipient does not exist").first).to_be_visible()


def test_4_the_pages_are_fit_to_read_with_something_in_them_and_an_address_is_let_back_in(
    page: Page, run: Run, token: str
) -> None:
    for path in ("/suppressions", "/bounce-mailbox", "/messages?bounce=failed"):
        looked_at(page, run.url + path)
    page.goto(f"{run.url}/suppressions?q=ben@")
    page.get_by_role("link", name="Remove ben@customer.example").click()
    looked_at(page, page.url)
    page.get_by_label("Why, for whoever looks later").fill("The mailbox exists again.")
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("ben@customer.example gets mail again.")).to_be_visible()
    assert settled(run, token, "ben@customer.example")["state"] == "sent"
