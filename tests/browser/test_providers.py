"""Choosing a provider in a browser: what it fills in, what stays, and a first server proven by keyboard alone."""

import json
import socket
from collections.abc import Iterator

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from playwright.sync_api import Browser, Page, expect
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import DESKTOP
from .test_story import TOO_WIDE, complaint_of, findings_of

pytestmark = pytest.mark.browser

EMAIL, ACCOUNT = "marta.keller@norrvik.example", "correct horse battery staple"
SECONDS = 20_000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    installation = Installation(tmp_path_factory.mktemp("providers") / "data", POSTROOM_SMTP_PORTS="1-65535")
    with running_postroom(installation) as run:
        yield run


@pytest.fixture(scope="module")
def relay_port() -> Iterator[int]:
    """A relay on this machine that takes mail from everybody."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    controller = Controller(Sink(), hostname="127.0.0.1", port=port)
    controller.start()
    yield port
    controller.stop()


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    context.set_default_timeout(SECONDS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    # htmx complains of a look at the DNS that the next page breaks off.
    page.on("console", lambda said: complaints.extend(c for c in complaint_of(said) if not c.startswith("htmx:")))
    yield page
    context.close()
    assert complaints == []


class Hands:
    """The keyboard, and how many fields were filled and keys pressed; moving the focus with Tab is not counted."""

    def __init__(self, page: Page) -> None:
        self.page, self.count = page, 0

    def reach(self, accessible: str) -> None:
        """Tab on until the focused element says this."""
        for _ in range(60):
            said = self.page.evaluate("""() => { const e = document.activeElement;
                if (e === document.body || e.matches("main")) return "";
                return [e.labels && e.labels[0] ? e.labels[0].innerText : "", e.innerText || ""].join(" ") }""")
            if accessible in " ".join(said.split()):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"no focus on {accessible!r}")

    def type(self, accessible: str, text: str) -> None:
        self.reach(accessible)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(text)
        self.count += 1

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.count += 1


def test_a_first_server_is_proven_by_keyboard_alone_in_few_interactions(
    window: Page, run: Run, relay_port: int
) -> None:
    hands = Hands(window)
    window.goto(run.setup_url)
    hands.count += 1
    hands.type("Your name", "Marta Keller")
    hands.type("E-mail address", EMAIL)
    hands.type("Password", ACCOUNT)
    hands.press("Enter")
    expect(window.get_by_role("heading", name="Welcome, Marta")).to_be_visible()
    hands.reach("Configure SMTP server")
    hands.press("Enter")
    expect(window.get_by_role("radio", name="Microsoft 365")).to_be_focused()
    for _ in range(5):
        window.keyboard.press("ArrowRight")
    hands.count += 1
    expect(window.get_by_role("radio", name="Internal relay")).to_be_checked()
    expect(window.get_by_text("Enter the host name.")).to_be_visible()
    hands.type("From Address", "reports@norrvik.example")
    hands.type("Host Name", "127.0.0.1")
    beyond_a_usual_relay = 2
    hands.type("SMTP Port", str(relay_port))
    hands.reach("STARTTLS")
    hands.press("ArrowLeft")
    expect(window.get_by_role("radio", name="None port 25")).to_be_checked()
    expect(window.get_by_label("SMTP Port")).to_have_value(str(relay_port))
    window.keyboard.press("Shift+Tab")
    hands.press("Enter")
    save = window.get_by_role("button", name="Save", exact=True)
    expect(save).to_be_enabled()
    hands.reach("Save")
    hands.press("Enter")
    row = window.get_by_role("row").filter(has_text="Internal relay")
    expect(row.get_by_text("Verified").first).to_be_visible()
    assert hands.count - beyond_a_usual_relay <= 12


def test_a_choice_fills_in_what_nobody_typed(window: Page, run: Run) -> None:
    page = window
    page.goto(f"{run.url}/smtp-servers/new")
    page.get_by_label("Name", exact=True).fill("Ours")
    page.get_by_role("radio", name="Amazon SES").check()
    expect(page.get_by_label("Host Name")).to_have_value("email-smtp.us-east-1.amazonaws.com")
    page.get_by_label("Region").select_option(label="eu-central-1 (Frankfurt)")
    expect(page.get_by_label("Host Name")).to_have_value("email-smtp.eu-central-1.amazonaws.com")
    expect(page.get_by_text("The SMTP user name from the SES console")).to_be_visible()
    page.get_by_label("More providers").select_option(label="Resend")
    expect(page.get_by_label("Host Name")).to_have_value("smtp.resend.com")
    expect(page.get_by_label("SMTP Port")).to_have_value("465")
    expect(page.get_by_role("radio", name="SSL/TLS")).to_be_checked()
    expect(page.get_by_role("textbox", name="Username")).to_have_value("resend")
    expect(page.get_by_role("radio", name="Amazon SES")).not_to_be_checked()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Ours")
    page.get_by_label("SMTP Port").fill("2465")
    page.get_by_role("radio", name="Internal relay").check()
    expect(page.get_by_label("Password", exact=True)).to_be_hidden()
    expect(page.get_by_label("SMTP Port")).to_have_value("2465")


def test_an_address_is_entered_once(window: Page, run: Run) -> None:
    page = window
    page.goto(f"{run.url}/smtp-servers/new")
    page.get_by_role("radio", name="Gmail").check()
    expect(page.get_by_label("Host Name")).to_have_value("smtp.gmail.com")
    page.get_by_role("textbox", name="Username").fill("reports@norrvik.example")
    page.keyboard.press("Tab")
    expect(page.get_by_label("From Address")).to_have_value("reports@norrvik.example")
    expect(page.locator("aside").get_by_text("<reports@norrvik.example>")).to_be_visible()


def test_the_stated_limits_are_taken_over_on_request(window: Page, run: Run) -> None:
    page = window
    page.goto(f"{run.url}/smtp-servers/new?provider=microsoft365")
    expect(page.get_by_label("Messages per minute")).to_have_value("")
    page.get_by_role("link", name="Use these as limits").click()
    expect(page.get_by_label("Messages per minute")).to_have_value("30")
    expect(page.get_by_label("Messages per minute")).to_be_visible()


def test_the_form_has_no_finding_and_fits_a_phone(window: Page, run: Run) -> None:
    page = window
    page.goto(f"{run.url}/smtp-servers/new?more=smtp2go")
    page.locator("summary").filter(has_text="Advanced").click()
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.bsTheme = {json.dumps(theme)}")
        assert findings_of(page) == [], theme
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert page.evaluate(TOO_WIDE) == []
    assert findings_of(page) == []
    page.set_viewport_size(DESKTOP)
