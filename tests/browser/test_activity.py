"""The activity log in a real browser: filters without leaving the page, the calendar's keys, entries as they come."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.rig.installation import Installation, running_postroom
from tests.store.activity_days import TROUBLE, entry

from .conftest import DESKTOP
from .test_story import findings_of

pytestmark = [pytest.mark.browser]
PASSWORD = "correct horse battery staple"


def write(data: Path, *entries: dict[str, Any]) -> None:
    for each in entries:
        folder = data / "logs" / each["at"][:10]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "smtp-activity.jsonl").open("a") as file:
            file.write(json.dumps(each) + "\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("activity") / "data"
    now = datetime.now(UTC)
    today = [entry(n, now - timedelta(seconds=60 - n)) for n in range(30)]
    write(data, *today, entry(50, now, **TROUBLE[1]), *(entry(n, now, **TROUBLE[2]) for n in range(60, 70)))
    write(data, entry(90, now - timedelta(days=1), **TROUBLE[0]), entry(91, now - timedelta(days=40)))
    return data


@pytest.fixture(scope="module")
def page(browser: Browser, data: Path) -> Iterator[Page]:
    with running_postroom(Installation(data)) as run:
        context = browser.new_context(viewport=DESKTOP, timezone_id="Etc/UTC", base_url=run.url)
        page = context.new_page()
        page.goto(run.setup_url)
        page.get_by_label("Your name").fill("Marta Keller")
        page.get_by_label("E-mail address").fill("marta@norrvik.example")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Create administrator and continue").click()
        expect(page.get_by_role("heading", name="Welcome, Marta")).to_be_visible()
        yield page
        context.close()


def test_a_box_narrows_the_log_and_keeps_the_focus(page: Page) -> None:
    page.goto("/activity")
    assert findings_of(page) == []
    page.get_by_role("checkbox", name="Error").first.check()
    expect(page).to_have_url(re.compile("severity=error"))
    expect(page.get_by_text("10 times since")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Error").first).to_be_focused()
    page.get_by_role("row").filter(has_text="The recipient does not exist").get_by_text("Show cause and fix").click()
    expect(page.get_by_text("Check the spelling of the recipient address")).to_be_visible()
    assert findings_of(page) == []


def test_a_search_finds_a_recipient(page: Page) -> None:
    page.goto("/activity")
    page.get_by_label("Text, reply code, Message-ID, recipient").fill("user50@")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 of ")).to_be_visible()
    expect(page.get_by_text("Failed “Invoice 50” to user50@").first).to_be_visible()
    page.get_by_role("link", name="Clear filters").click()
    expect(page.get_by_text("Sent “Invoice 29”").first).to_be_visible()


def test_arrows_move_through_the_days_and_enter_opens_one(page: Page) -> None:
    page.goto("/activity")
    today = datetime.now(UTC)
    page.locator('[data-pr-calendar] a[aria-current="date"]').focus()
    if today.day == 1:
        page.keyboard.press("PageUp")
        page.locator("[data-pr-calendar] a").last.focus()
    else:
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    yesterday = (today - timedelta(days=1)).date().isoformat()
    expect(page).to_have_url(re.compile(f"day={yesterday}"))
    expect(page.get_by_text("The server asked to slow down").last).to_be_visible()


def test_new_entries_are_offered_and_shown_when_asked_for(page: Page, data: Path) -> None:
    page.goto("/activity")
    expect(page.get_by_role("link", name="Pause")).to_be_visible()
    write(data, entry(777, datetime.now(UTC)))
    offer = page.get_by_role("link", name="1 new entry")
    expect(offer).to_be_visible(timeout=10_000)
    offer.click()
    expect(page.get_by_text("Sent “Invoice 777”").first).to_be_visible()
    page.get_by_role("link", name="Pause").click()
    expect(page.get_by_role("link", name="Live", exact=True)).to_be_visible()


def test_the_log_fits_a_phone_and_every_page_of_the_room_is_clean(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    for address in ("/activity", "/storage", "/audit"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        assert findings_of(page) == []
    page.set_viewport_size(DESKTOP)
