"""People, in a real browser: a group from a file, an announcement to it, an invitation, and a forgotten password."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import DESKTOP
from .test_bounces import ACCOUNT, EMAIL, WITHIN_S, looked_at
from .test_story import complaint_of

pytestmark = pytest.mark.browser
FRESH = "four words of my own"
FILE = (
    "Email,Name,Language,Region\n"
    "ann@norrvik.example,Ann Berg,fr,North\nnobody,No One,,\nben@norrvik.example,Ben,,South\n"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with running_postroom(Installation(tmp_path_factory.mktemp("people") / "data")) as run:
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


def test_1_a_group_comes_from_a_file_that_is_looked_at_first(page: Page, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(FILE)
    page.goto(f"{run.url}/recipients")
    page.get_by_role("link", name="Import").click()
    page.get_by_label("CSV or XLSX file").set_input_files(file)
    page.get_by_label("Group that everybody joins").fill("Regional managers")
    page.get_by_role("button", name="Look at the file").click()
    expect(page.get_by_role("row", name=re.compile("3 nobody .nobody. has no @"))).to_be_visible()
    page.get_by_role("button", name="Take over 2 lines").click()
    expect(page.get_by_text("2 recipients added, 0 changed, 1 line left out.")).to_be_visible()
    expect(page.get_by_role("button", name="Undo people.csv")).to_be_visible()
    page.goto(f"{run.url}/groups")
    page.get_by_role("link", name="Regional managers").click()
    expect(page.get_by_role("cell", name=re.compile("Ann Berg"))).to_be_visible()


def test_2_the_group_gets_an_announcement_that_the_sandbox_catches(page: Page, run: Run) -> None:
    page.goto(f"{run.url}/announcements")
    page.get_by_role("link", name="Write an announcement").click()
    page.get_by_label("Subject", exact=True).fill("Maintenance on Saturday")
    page.get_by_label("Text", exact=True).fill("No reports from 08:00 to 10:00.")
    page.get_by_label("Regional managers").check()
    page.get_by_role("button", name="Preview").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_text("No reports from 08:00 to 10:00.")).to_be_visible()
    page.get_by_role("button", name="Send to 2 people").click()
    expect(page.get_by_role("heading", name="Handed over")).to_be_visible()
    expect(page.get_by_text("2 of 2 handed over")).to_be_visible()
    page.goto(f"{run.url}/sandbox")
    page.wait_for_timeout(1_000)
    page.reload()
    expect(page.get_by_role("link", name="Maintenance on Saturday")).to_have_count(2)


def test_3_an_invited_person_chooses_a_password_by_the_link_in_the_mail(
    page: Page, run: Run, browser: Browser
) -> None:
    page.goto(f"{run.url}/users")
    page.get_by_label("Name", exact=True).fill("Jonas Brandt")
    page.get_by_label("E-mail address").fill("jonas@norrvik.example")
    page.get_by_role("button", name="Add user").click()
    expect(page.get_by_text("Invited, has not chosen a password yet")).to_be_visible()
    link = caught_link(page, run, "Your account at")
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    other = context.new_page()
    other.goto(link)
    other.locator("input[type=password]").fill(FRESH)
    other.get_by_role("button", name="Set password").click()
    sign_in(other, "jonas@norrvik.example", FRESH)
    expect(other.get_by_role("navigation", name="Main")).to_be_visible()
    context.close()


def test_4_who_forgot_the_password_gets_a_link_and_open_sessions_end(page: Page, run: Run, browser: Browser) -> None:
    context, lost = (browser.new_context(viewport=DESKTOP, locale="en-GB") for _ in range(2))
    open_one, other = context.new_page(), lost.new_page()
    open_one.goto(f"{run.url}/login")
    sign_in(open_one, "jonas@norrvik.example", FRESH)
    other.goto(f"{run.url}/login")
    other.get_by_role("link", name="Forgot password").click()
    other.get_by_label("E-mail address").fill("jonas@norrvik.example")
    other.get_by_role("button", name="Send the link").click()
    expect(other.get_by_role("heading", name="Look into your mailbox")).to_be_visible()
    other.goto(caught_link(page, run, "Choose a new password"))
    other.locator("input[type=password]").fill(f"{FRESH} again")
    other.get_by_role("button", name="Set password").click()
    expect(other.get_by_text("Your password is set.")).to_be_visible()
    open_one.goto(f"{run.url}/account")
    expect(open_one).to_have_url(re.compile("/login"))
    context.close()
    lost.close()


def test_5_the_pages_have_no_accessibility_finding_and_fit_a_phone(page: Page, run: Run) -> None:
    for path in ("/recipients", "/groups", "/recipients/import", "/recipient-domains", "/announcements",
                 "/announcements/new", "/users"):
        looked_at(page, f"{run.url}{path}")
    for start, name in (("/recipients", "Ann Berg"), ("/groups", "Regional managers"),
                        ("/announcements", "Maintenance on Saturday")):
        page.goto(f"{run.url}{start}")
        page.get_by_role("link", name=name).first.click()
        looked_at(page, page.url)


def test_6_the_open_pages_have_no_accessibility_finding_and_fit_a_phone(browser: Browser, run: Run) -> None:
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    for path in ("/forgot-password", "/set-password/x"):
        looked_at(context.new_page(), f"{run.url}{path}")
    context.close()


def sign_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.locator("input[type=password]").fill(password)
    page.get_by_role("button", name="Log in").click()


def caught_link(page: Page, run: Run, subject: str) -> str:
    """The link in the newest caught message of that subject, once it is there."""
    for _ in range(int(WITHIN_S)):
        page.goto(f"{run.url}/sandbox")
        found = page.get_by_role("link", name=re.compile(subject))
        if found.count():
            found.first.click()
            page.wait_for_url(re.compile(r"/sandbox/\w+"))
            link = re.search(r"https?://[^\s\"<>]+/set-password/\w+", page.content())
            assert link
            return link[0]
        page.wait_for_timeout(1_000)
    raise AssertionError("no mail was caught")
