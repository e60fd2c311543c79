"""What a person who was told nothing does, counted: each click, each field filled, each key is one interaction."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from aiosmtpd.controller import Controller
from playwright.sync_api import Browser, Locator, Page, expect
from tests.rig.api import Api
from tests.rig.installation import Installation, Run, running_postroom
from tests.rig.mail_rig import MailRig
from tests.rig.programs import free_port

from .conftest import DESKTOP

pytestmark = [pytest.mark.browser, pytest.mark.interop]

EMAIL = "marta.keller@norrvik.example"
PASSWORD = "correct horse battery staple"
SECONDS = 20_000


@dataclass
class Hand:
    """The one way in which a task touches the page."""

    page: Page
    interactions: int = 0

    def click(self, target: Locator) -> None:
        target.click()
        self.interactions += 1

    def fill(self, label: str, text: str) -> None:
        self.page.get_by_label(label, exact=True).fill(text)
        self.interactions += 1

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.interactions += 1


@pytest.fixture(scope="module")
def run(mail_rig: MailRig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    installation = Installation(
        tmp_path_factory.mktemp("tasks") / "data", POSTROOM_SMTP_PORTS="1-65535", SSL_CERT_FILE=str(mail_rig.ca_file)
    )
    with running_postroom(installation) as running:
        yield running


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP, timezone_id="Europe/Berlin", locale="en-GB")
    context.set_default_timeout(SECONDS)
    yield context.new_page()
    context.close()


def test_1_a_first_server_is_proven_in_twelve_interactions_from_the_set_up_link(
    run: Run, page: Page, mail_rig: MailRig
) -> None:
    page.goto(run.setup_url)
    hand = Hand(page)
    hand.fill("Your name", "Marta Keller")
    hand.fill("E-mail address", EMAIL)
    hand.fill("Password", PASSWORD)
    hand.click(page.get_by_role("button", name="Create administrator and continue"))
    hand.click(page.get_by_role("link", name="Configure SMTP server").first)
    hand.fill("From Address", "reports@rig.example")
    hand.fill("Host Name", mail_rig.host)
    hand.fill("SMTP Port", str(mail_rig.starttls_port))
    hand.fill("Username", mail_rig.username)
    hand.fill("Password", mail_rig.password)
    hand.click(page.get_by_role("button", name="Run live test"))
    expect(page.get_by_role("heading", name="Test passed: all 10 stages")).to_be_visible()
    assert hand.interactions <= 12, hand.interactions
    assert mail_rig.arrived(b"Subject: Postroom test message")
    hand.click(page.get_by_role("button", name="Save", exact=True))
    expect(page.get_by_role("row").filter(has_text=mail_rig.host).get_by_text("Verified", exact=True)).to_be_visible()


def test_2_a_wrong_password_is_repaired_in_four_interactions_from_the_failed_test(
    run: Run, page: Page, mail_rig: MailRig
) -> None:
    page.goto(f"{run.url}/smtp-servers")
    page.get_by_role("row").filter(has_text=mail_rig.host).get_by_role("link").first.click()
    page.get_by_role("button", name="Replace").click()
    page.get_by_label("Password", exact=True).fill("not the password")
    page.get_by_role("button", name="Run live test").click()
    expect(page.get_by_role("heading", name="Test failed at step 7 of 10: Authenticate")).to_be_visible()
    hand = Hand(page)
    hand.click(page.get_by_role("link", name="Edit settings"))
    hand.fill("Password", mail_rig.password)
    hand.click(page.get_by_role("button", name="Run live test"))
    expect(page.get_by_role("heading", name="Test passed: all 10 stages")).to_be_visible()
    hand.click(page.get_by_role("button", name="Save", exact=True))
    expect(page.get_by_role("row").filter(has_text=mail_rig.host).get_by_text("Verified", exact=True)).to_be_visible()
    assert hand.interactions <= 4, hand.interactions


def test_3_yesterdays_failed_message_to_a_recipient_is_found_in_four_interactions(run: Run, page: Page) -> None:
    recipient = failed_yesterday(run)
    page.goto(run.url)
    hand = Hand(page)
    hand.press("/")
    page.keyboard.type(recipient)
    hand.interactions += 1
    hand.press("Enter")
    row = page.get_by_role("row").filter(has_text=recipient)
    expect(row.get_by_text("Failed").first).to_be_visible()
    hand.click(row.get_by_role("link").first)
    expect(page.get_by_text(f"The server says that {recipient} does not exist").first).to_be_visible()
    expect(page.locator(".pr-quote:visible", has_text="550 5.1.1 no such user here")).to_be_visible()
    assert hand.interactions <= 4, hand.interactions


def test_4_the_whole_configuration_and_test_work_by_keyboard_alone(run: Run, page: Page, mail_rig: MailRig) -> None:
    page.goto(f"{run.url}/")
    page.set_viewport_size({"width": 1440, "height": 700})
    for name in ("SMTP configuration", "Configure SMTP server"):
        tab_to(page, name)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    for name, text in (
        ("Name", "By keyboard"), ("From Address", "reports@rig.example"), ("Host Name", mail_rig.host),
        ("SMTP Port", str(mail_rig.tls_port)),
    ):
        typed(page, name, text)
    tab_to(page, "STARTTLS")
    page.keyboard.press("ArrowRight")
    assert "SSL/TLS" in focused(page)
    for name, text in (("Username", mail_rig.username), ("Password", mail_rig.password)):
        typed(page, name, text)
    tab_to(page, "Run live test")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Test passed: all 10 stages")).to_be_visible()
    tab_to(page, "Save")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row").filter(has_text="By keyboard").get_by_text("Verified", exact=True)).to_be_visible()


_NAME = """async () => {
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  const e = document.activeElement;
  const labels = e.labels && e.labels.length ? e.labels[0].innerText : "";
  const label = labels || e.getAttribute("aria-label") || e.innerText || "";
  const box = e.getBoundingClientRect();
  const bar = document.querySelector(".pr-bar");
  const hidden = bar && !bar.contains(e) && box.bottom > bar.getBoundingClientRect().top;
  return {name: label.trim(), hidden};
}"""


def focused(page: Page) -> str:
    """The name of what has the focus, which must be seen to have it."""
    state = page.evaluate(_NAME)
    assert not state["hidden"], f"{state['name']} lies behind the action bar"
    return str(state["name"])


def tab_to(page: Page, name: str) -> None:
    """Press Tab until `name` has the focus."""
    wanted = re.compile(rf"{re.escape(name)}(\n| \(|$)")
    seen = []
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        if wanted.match(seen[-1]):
            return
    raise AssertionError(f"Tab never reached {name}: {seen}")


def typed(page: Page, name: str, text: str) -> None:
    tab_to(page, name)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def failed_yesterday(run: Run) -> str:
    """A recipient whom a real server refused, in a message whose instants are put a day back."""
    recipient = "old.depot@rig.example"
    with refusing_recipients() as port:
        api = Api(run)
        server = api.ask("POST", "smtp-servers", 201, {
            "name": "Strict relay", "host": "127.0.0.1", "port": port, "security": "none", "use_unverified": True,
            "from_address": "reports@rig.example", "reason": "for this task",
        })
        message = api.ask("POST", "messages", 202, {
            "to": [recipient], "subject": "Driver hours", "text": "41 h", "server": server["id"],
        })
        assert api.settled_message(message["id"])["deliveries"][0]["state"] == "failed"
    with sqlite3.connect(run.installation.data / "postroom.sqlite3", timeout=20) as database:
        for table, column in INSTANTS:
            database.execute(f"UPDATE {table} SET {column} = datetime({column}, '-1 day') || '.000000'")
    return recipient


INSTANTS = (
    ("store_message", "created_at"), ("store_message", "expires_at"), ("store_delivery", "updated_at"),
    ("store_delivery", "due_at"), ("store_attempt", "started_at"), ("store_attempt", "ended_at"),
)


class NoSuchUser:
    """Takes mail for nobody."""

    async def handle_RCPT(self, *_: object) -> str:  # noqa: N802 - aiosmtpd names its hooks after the commands
        return "550 5.1.1 no such user here"


@contextmanager
def refusing_recipients() -> Iterator[int]:
    """The port of a server that knows nobody."""
    controller = Controller(NoSuchUser(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
