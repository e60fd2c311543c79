"""The page of a live test in a browser: a proposed change applied in one step, and a connection that comes back."""

import asyncio
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Thread

import pytest
import trustme
from playwright.sync_api import Browser, Page, Route, expect
from tests.dialogs.player import dialog_of, playing
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import DESKTOP

pytestmark = pytest.mark.browser

ACCOUNT = "correct horse battery staple"
SECONDS = 20_000
# A server that takes sign-ins only over TLS: the test without TLS fails, the look and the second test pass.
IN_CLEAR = """
S: 220 relay.norrvik.example ESMTP
C: EHLO *
S: 250-relay.norrvik.example
S: 250-SIZE 1000000
S: 250 STARTTLS
C: QUIT
S: 221 bye
"""
OVER_TLS = IN_CLEAR.replace("C: QUIT\nS: 221 bye\n", "") + """C: STARTTLS
S: 220 go on
tls
C: EHLO *
S: 250-relay.norrvik.example
S: 250 AUTH PLAIN
"""
LOOK = OVER_TLS + "C: QUIT\nS: 221 bye\n"
SENT = OVER_TLS + """C: AUTH PLAIN *
S: 235 2.7.0 welcome
C: MAIL FROM:*
S: 250 2.1.0 Ok
C: RCPT TO:*
S: 250 2.1.5 Ok
C: DATA
S: 354 go on
C.
S: 250 2.0.0 queued
C: QUIT
S: 221 bye
"""


@dataclass
class Peer:
    port: int
    ca_pem: str


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A server on a thread of its own: this thread's event loop is the browser's."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    dialogs = [dialog_of("live", text) for text in (IN_CLEAR, LOOK, SENT)]
    served = playing(*dialogs, context=context)
    playing_now = asyncio.run_coroutine_threadsafe(served.__aenter__(), loop).result(10)
    try:
        yield Peer(playing_now.port, ca.cert_pem.bytes().decode())
        asyncio.run_coroutine_threadsafe(served.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser window of the administrator of a new installation."""
    installation = Installation(tmp_path_factory.mktemp("live") / "data", POSTROOM_SMTP_PORTS="1-65535")
    with running_postroom(installation) as run:
        context = browser.new_context(viewport=DESKTOP, base_url=run.url, locale="en-GB")
        context.set_default_timeout(SECONDS)
        page = context.new_page()
        set_up(page, run)
        yield page
        context.close()


def set_up(page: Page, run: Run) -> None:
    page.goto(run.setup_url)
    page.get_by_label("Your name").fill("Marta Keller")
    page.get_by_label("E-mail address").fill("marta@norrvik.example")
    page.get_by_label("Password", exact=True).fill(ACCOUNT)
    page.get_by_role("button", name="Create administrator and continue").click()
    expect(page.get_by_role("heading", name="Welcome, Marta")).to_be_visible()


def begin_test(page: Page, peer: Peer, name: str) -> None:
    page.goto("/smtp-servers/new")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("From Address").fill("reports@norrvik.example")
    page.get_by_label("Host Name").fill("127.0.0.1")
    page.get_by_label("SMTP Port").fill(str(peer.port))
    page.get_by_role("radio", name=re.compile("None port")).check()
    page.get_by_label("Username", exact=True).fill("reports")
    page.get_by_label("Password", exact=True).fill("Lantern-Harbour-41")
    page.get_by_label("Test Mail").fill("marta@norrvik.example")
    page.get_by_text("Advanced", exact=True).click()
    page.get_by_label("Own CA certificate (PEM)").fill(peer.ca_pem)
    page.get_by_role("button", name="Run live test").click()


def test_a_proposed_change_is_applied_tested_and_saved_in_three_interactions(page: Page, peer: Peer) -> None:
    begin_test(page, peer, "Norrvik relay")
    expect(page.locator("#failed-stage")).to_be_focused()
    box = page.locator(".pr-proposal")
    expect(box).to_contain_text("STARTTLS")
    expect(page.get_by_text("STARTTLS works. It offers PLAIN.")).to_be_visible()
    box.get_by_label("Password").fill("Lantern-Harbour-41")
    box.get_by_role("button", name="Apply this change and test again").click()
    expect(page.get_by_role("heading", name="Test passed: all 10 stages")).to_be_focused()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row").filter(has_text="Norrvik relay").get_by_text("Verified").first).to_be_visible()


def test_a_lost_connection_to_postroom_is_said_and_the_page_goes_on_when_it_is_back(page: Page, peer: Peer) -> None:
    lost = True

    def answered(route: Route) -> None:
        if lost:
            route.abort()
        else:
            route.continue_()

    page.route("**/progress?*", answered)
    begin_test(page, peer, "Second relay")
    note = page.get_by_text("Connection to Postroom lost; trying again.")
    expect(note).to_be_visible()
    lost = False
    expect(page.locator("#failed-stage")).to_be_focused()
    expect(note).to_be_hidden()
