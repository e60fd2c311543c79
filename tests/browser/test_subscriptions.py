"""The story of a subscription: somebody new makes one from a query, tries it, sends it, loses a reader, and is told of
an error. At any width and in both themes."""

import email
import re
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import DESKTOP, Camera
from .test_delivery_rules import PASSWORD, is_sound

pytestmark = pytest.mark.browser

MARTA = "marta@norrvik.example"
MANAGERS = ("lena.holm@norrvik.example", "olof.berg@norrvik.example")
MOST_INTERACTIONS = 15
WITHIN_S = 40


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample database."""
    file = tmp_path_factory.mktemp("reports") / "shop.db"
    with sqlite3.connect(file) as shop:
        shop.execute("CREATE TABLE sale (region TEXT, amount REAL)")
        shop.executemany("INSERT INTO sale VALUES (?, ?)", [("North", 12.5), ("South", 8.0)])
    shop.close()
    return file


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, shop: Path) -> Iterator[Run]:
    """With a group of two, and a connection to the sample database, which somebody set up before."""
    installation = Installation(
        tmp_path_factory.mktemp("subscriptions") / "data", POSTROOM_REPORT_ROOTS=f"reports={shop.parent}"
    )
    with running_postroom(installation) as run:
        run.url  # noqa: B018 - it is ready
        for words in (
            ("group", "add", "Operations managers", *MANAGERS),
            ("source", "connect", "Shop", "--sqlite", f"reports:{shop.name}"),
        ):
            said = installation.command(*words)
            assert said.returncode == 0, said.stderr
        yield run


@pytest.fixture(scope="module")
def window(browser: Browser, run: Run) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP, locale="en-GB", timezone_id="Europe/Berlin")
    context.set_default_timeout(20_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(run.setup_url)
    page.get_by_label("Your name").fill("Marta Keller")
    page.get_by_label("E-mail address").fill(MARTA)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create administrator").click()
    page.get_by_role("navigation", name="Main").wait_for()
    yield page
    context.close()
    assert complaints == []


def caught(page: Page, run: Run, wanted: Callable[[EmailMessage], bool], number: int = 1) -> list[EmailMessage]:
    """The mails in the sandbox that are wanted, once there are so many."""
    ends = time.monotonic() + WITHIN_S
    while time.monotonic() < ends:
        found = [mail for mail in _mails(page, run) if wanted(mail)]
        if len(found) >= number:
            return found
        time.sleep(0.5)
    raise AssertionError([mail["subject"] for mail in _mails(page, run)])


def _mails(page: Page, run: Run) -> list[EmailMessage]:
    """All in the sandbox."""
    text = page.context.request.get(f"{run.url}/sandbox").text()
    ids = dict.fromkeys(re.findall(r'href="/sandbox/([0-9A-Z]{26})"', text))
    found = []
    for id_ in ids:
        octets = page.context.request.get(f"{run.url}/sandbox/{id_}/source").body()
        mail = email.message_from_bytes(octets, policy=default)
        assert isinstance(mail, EmailMessage)
        found.append(mail)
    return found


def to(address: str) -> Callable[[EmailMessage], bool]:
    return lambda mail: address in str(mail["to"])


def attached_to(mail: EmailMessage) -> dict[str, str]:
    """Names and texts of the files of a mail, without the mark that spreadsheets look for."""
    found = {}
    for part in mail.iter_attachments():
        octets = part.get_payload(decode=True)
        assert isinstance(octets, bytes)
        found[str(part.get_filename())] = octets.decode("utf-8-sig")
    return found


def state_of_run(page: Page) -> str:
    """How the run on the page ended."""
    badge = page.locator(".pr-lead .pr-badge")
    expect(badge).to_have_text(re.compile("Succeeded|Warning|Error|Skipped"), timeout=WITHIN_S * 1_000)
    return badge.inner_text().strip()


def test_1_somebody_new_subscribes_a_group_to_a_query_in_few_steps_and_sees_what_clocks_do(
    window: Page, run: Run, camera: Camera
) -> None:
    page, steps = window, 0
    page.goto(f"{run.url}/subscriptions")
    expect(page.get_by_role("heading", name="No subscription yet")).to_be_visible()
    is_sound(page)
    page.goto(run.url)

    def step(done: object) -> None:
        nonlocal steps
        del done
        steps += 1

    step(page.get_by_role("navigation", name="Main").get_by_role("link", name="Subscriptions").click())
    step(page.get_by_role("link", name="New subscription").first.click())
    step(page.get_by_label("Source", exact=True).select_option(label="A new one …"))
    step(page.get_by_label("Name of the subscription").fill("Sales by region"))
    step(page.get_by_role("radio", name="Query").check())
    step(page.get_by_label("Database", exact=True).select_option(label="Shop"))
    step(page.get_by_label("Query", exact=True).last.fill("SELECT region, amount FROM sale ORDER BY region"))
    step(page.get_by_label("Run in plain words").fill("the last Sunday of March and October at 02:30"))
    step(page.get_by_label("Time zone").select_option("Europe/Berlin"))
    step(page.get_by_label("Group, recipient or address").fill("Operations managers"))
    expect(page.get_by_text("Understood: The last Sunday of March and October, 02:30")).to_be_visible()
    runs = page.locator("#next-runs")
    expect(runs.get_by_text("03:00").first).to_be_visible()
    expect(runs).to_contain_text("There is no 02:30 on that day: the run comes at 03:00.")
    expect(runs).to_contain_text("02:30 comes twice on that day: the run comes once, the first time.")
    is_sound(page)
    camera.take(page, "subscription-new")
    step(page.get_by_role("button", name="Save", exact=True).click())
    expect(page.get_by_role("heading", name="Sales by region")).to_be_visible()
    assert steps <= MOST_INTERACTIONS
    expect(page.get_by_text("It has not run yet")).to_be_visible()
    is_sound(page)


def test_2_in_test_mode_all_of_it_comes_to_one_address_and_names_whom_it_was_for(window: Page, run: Run) -> None:
    page = window
    page.get_by_text("Test mode", exact=True).last.click()
    page.get_by_label("Send everything to").fill(MARTA)
    page.get_by_role("button", name="Turn test mode on").click()
    expect(page.get_by_text("Test mode is on for this subscription.")).to_be_visible()
    is_sound(page)
    page.get_by_role("button", name="Run now").click()
    assert state_of_run(page) == "Succeeded"
    is_sound(page)
    mails = caught(page, run, to(MARTA), 2)
    assert not any(to(address)(mail) for mail in _mails(page, run) for address in MANAGERS)
    assert {address for address in MANAGERS for mail in mails if address in str(mail["subject"])} == set(MANAGERS)
    mail = mails[0]
    text = mail.get_body(("plain",))
    assert text is not None
    assert "Test mode" in text.get_content()
    assert next(iter(attached_to(mail).values())).split() == ["region,amount", "North,12.5", "South,8.0"]


def test_3_without_test_mode_each_gets_one_of_their_own_with_the_file_and_a_text(window: Page, run: Run) -> None:
    page = window
    page.get_by_role("link", name="Sales by region").first.click()
    page.get_by_role("button", name="Turn test mode off").click()
    expect(page.get_by_text("Test mode is on for this subscription.")).to_be_hidden()
    page.get_by_role("button", name="Run now").click()
    assert state_of_run(page) == "Succeeded"
    for address in MANAGERS:
        (mail,) = caught(page, run, to(address))
        ((name, content),) = attached_to(mail).items()
        assert name.endswith(".csv")
        assert content.split() == ["region,amount", "North,12.5", "South,8.0"]
        text = mail.get_body(("plain",))
        assert text is not None
        assert "Sales by region" in text.get_content()
        assert mail.get_body(("html",)) is not None
    expect(page.get_by_role("cell", name="Sent")).to_have_count(2, timeout=WITHIN_S * 1_000)


def test_4_who_leaves_with_one_click_is_seen_by_the_owner_and_left_out_of_the_next_run(window: Page, run: Run) -> None:
    page = window
    (mail,) = caught(page, run, to(MANAGERS[0]))
    link = str(mail["list-unsubscribe"]).strip("<>")
    with urllib.request.urlopen(link, timeout=20) as scanned:
        assert scanned.status == 200
    page.goto(f"{run.url}/subscriptions")
    page.get_by_role("link", name="Sales by region").click()
    expect(page.get_by_text("Nobody. Each message has a link")).to_be_visible()
    with urllib.request.urlopen(link, b"List-Unsubscribe=One-Click", timeout=20) as left:
        assert left.status == 200
    page.reload()
    expect(page.get_by_role("link", name=MANAGERS[0])).to_be_visible()
    page.get_by_role("link", name="Change").click()
    expect(page.get_by_text(f"{MANAGERS[0]} is left out: it left the list.")).to_be_visible()
    is_sound(page)
    page.get_by_role("link", name="Discard changes").click()
    page.get_by_role("button", name="Run now").click()
    assert state_of_run(page) == "Succeeded"
    expect(page.get_by_text("left out: it left the list")).to_be_visible()
    assert len(caught(page, run, to(MANAGERS[1]), 2)) == 2
    assert len(caught(page, run, to(MANAGERS[0]))) == 1


def test_5_a_report_that_fails_is_mailed_to_nobody_and_its_owner_is_told_why_with_the_log(
    window: Page, run: Run, shop: Path
) -> None:
    page = window
    before = len(_mails(page, run))
    with sqlite3.connect(shop) as database:
        database.execute("DROP TABLE sale")
    database.close()
    page.goto(f"{run.url}/subscriptions")
    page.get_by_role("link", name="Sales by region").click()
    page.get_by_role("button", name="Run now").click()
    assert state_of_run(page) == "Error"
    expect(page.get_by_text("The database does not take the query.").first).to_be_visible()
    is_sound(page)
    (told,) = caught(page, run, lambda mail: to(MARTA)(mail) and "[Test" not in str(mail["subject"]))
    assert "Sales by region" in str(told["subject"])
    (log,) = attached_to(told).values()
    assert "no such table: sale" in log
    assert "The database does not take the query." in log
    assert len(_mails(page, run)) == before + 1


def test_6_the_editor_puts_recipients_together_and_shows_the_message(window: Page, run: Run, camera: Camera) -> None:
    page = window
    page.goto(f"{run.url}/subscriptions")
    page.get_by_role("link", name="Sales by region").click()
    page.get_by_role("link", name="Change").click()
    adding = page.get_by_label("Group, recipient or address")
    adding.fill("archive@norrvik.example")
    page.get_by_label("How", exact=True).select_option(label="Bcc, one copy a run")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Bcc archive@norrvik.example", exact=True)).to_be_visible()
    adding.fill("nobody at all")
    page.keyboard.press("Enter")
    expect(page.get_by_text("“nobody at all” is no group, recipient or address.")).to_be_visible()
    adding.fill("")
    page.get_by_label("Text (optional)").fill("Good morning")
    page.get_by_label("Subject (optional)").fill("Sales of week ")
    page.get_by_text("Insert a value").click()
    page.get_by_role("button", name="Week number").click()
    expect(page.get_by_label("Subject (optional)")).to_have_value("Sales of week {{ run.week }}")
    expect(page.locator("#preview")).to_contain_text(re.compile(r"Sales of week \d+"))
    expect(page.frame_locator("#preview iframe").get_by_text("Good morning")).to_be_visible()
    is_sound(page)
    camera.take(page, "subscription-editor")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Sales by region is saved.")).to_be_visible()
    page.goto(f"{run.url}/subscriptions")
    is_sound(page)
