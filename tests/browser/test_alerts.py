"""An alert, from what is wrong to the mail and the person who takes it on; and a job that tells how it ended."""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import DESKTOP
from .test_bounces import ACCOUNT, EMAIL, asked, looked_at
from .test_story import complaint_of

pytestmark = pytest.mark.browser
# A look every 15 s, and a little for the mail.
WITHIN_S = 45.0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with running_postroom(Installation(tmp_path_factory.mktemp("alerts") / "data")) as run:
        yield run


@pytest.fixture(scope="module")
def page(browser: Browser, run: Run) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
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
def token(run: Run) -> str:
    return str(run.installation.command("token", "create", "Test", "--scope", "admin").stdout.strip())


def test_1_the_pages_are_fit_to_read_while_all_is_well(page: Page, run: Run) -> None:
    paths = ("/alerts", "/alerts?tab=history", "/alert-rules", "/alert-rules/new", "/alert-rules/failures-by-cause")
    for path in paths:
        looked_at(page, run.url + path)


def test_2_a_rule_is_set_and_what_it_finds_is_on_every_page_in_the_mailbox_and_in_the_exit_status(
    page: Page, run: Run, token: str
) -> None:
    page.goto(f"{run.url}/alert-rules")
    page.get_by_role("link", name="Disk nearly full").click()
    page.get_by_label("Less than so many megabytes left").fill("10000000")
    page.get_by_role("button", name="Save rule").click()
    expect(page.get_by_text("Rule saved.")).to_be_visible()
    ends = time.monotonic() + WITHIN_S
    while not asked(run, token, "/alerts")["alerts"] and time.monotonic() < ends:
        time.sleep(0.2)
    (alert,) = asked(run, token, "/alerts")["alerts"]
    assert (alert["kind"], alert["severity"]) == ("disk-low", "critical")
    page.goto(run.url)
    banner = page.locator(".pr-alert-banner")
    expect(banner).to_contain_text("MB are left on the disk")
    while not asked(run, token, "/messages?purpose=alert")["messages"] and time.monotonic() < ends:
        time.sleep(0.2)
    page.goto(f"{run.url}/sandbox")
    expect(page.get_by_text("MB are left on the disk").first).to_be_visible(timeout=WITHIN_S * 1_000)
    told = run.installation.command("doctor")
    assert told.returncode == 1
    assert "MB are left on the disk" in told.stdout


def test_3_whoever_takes_it_on_is_named_and_the_banner_is_gone(page: Page, run: Run, token: str) -> None:
    (alert,) = asked(run, token, "/alerts")["alerts"]
    for path in ("/alerts", f"/alerts/{alert['id']}", "/alert-rules"):
        looked_at(page, run.url + path)
    page.goto(f"{run.url}/alerts")
    page.get_by_role("link", name=alert["title"], exact=True).click()
    expect(page.get_by_role("cell", name=EMAIL)).to_be_visible()
    page.get_by_label("Note").fill("Ordered a larger disk.")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Acknowledged: nobody is reminded any more.")).to_be_visible()
    page.goto(run.url)
    expect(page.locator(".pr-alert-banner")).to_have_count(0)
    assert asked(run, token, f"/alerts/{alert['id']}")["acknowledged_by"] == EMAIL


def test_4_a_job_tells_how_it_ended_and_its_log_comes_without_the_password(page: Page, run: Run, token: str) -> None:
    body = {
        "job": "Nightly import", "outcome": "error", "text": "Row 7 is no number.", "recipients": ["ann@example.org"],
        "log": "connecting with password=canary-7f3a\nrow 7: 1O is no number\n",
    }
    (queued,) = asked(run, token, "/notifications", body)["messages"]
    ends = time.monotonic() + WITHIN_S
    while asked(run, token, f"/messages/{queued['id']}")["deliveries"][0]["state"] != "sent":
        assert time.monotonic() < ends
        time.sleep(0.1)
    page.goto(f"{run.url}/sandbox")
    page.get_by_role("link", name="Nightly import failed").click()
    expect(page.get_by_text("Nightly import.log").first).to_be_visible()
    assert "canary-7f3a" not in page.content()
