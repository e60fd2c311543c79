"""The messages of a month in a real browser: found in few steps, opened beside the list, closed again, written anew."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.rig.installation import Installation, running_postroom

from .conftest import DESKTOP, Camera
from .test_story import findings_of
from .visit import fill, log_in, make_account, window

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Somebody signed in, with 400 messages of a month; everything the console complains about fails."""
    installation = Installation(tmp_path_factory.mktemp("messages") / "data")
    with running_postroom(installation) as run:
        make_account(installation)
        fill(installation, 400)
        with window(browser, run, log_in, timezone_id="Europe/Berlin") as page:
            yield page


def test_a_message_opens_beside_the_list_and_escape_returns_to_its_row(page: Page, camera: Camera) -> None:
    page.goto("/messages?period=month")
    first = page.locator("[data-pr-open]").first
    first.click()
    expect(page.locator("#panel-title")).to_be_focused()
    assert "open=" in page.url
    assert findings_of(page) == []
    camera.take(page, "messages")
    shared = page.url
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_empty()
    expect(first).to_be_focused()
    assert "open=" not in page.url
    page.goto(shared)
    expect(page.locator("#panel-title")).to_be_visible()
    page.go_back()
    expect(page.locator("#panel")).to_be_empty()


def test_a_failed_message_to_somebody_is_found_with_one_search(page: Page) -> None:
    page.goto("/messages?period=month&state=failed")
    recipient = page.locator(".pr-what > span").last.inner_text().split(" ")[0]
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type(recipient)
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr").first).to_contain_text("Failed")
    expect(page.locator("tbody tr").first).to_contain_text(recipient)


def test_chosen_messages_can_be_cancelled_and_taken_back(page: Page) -> None:
    page.goto("/messages?period=all&state=deferred")
    boxes = page.locator('input[name="m"]')
    count = boxes.count()
    assert count
    page.get_by_label("Choose all on this page").check()
    expect(page.locator("[data-pr-picked]")).to_have_text(
        "1 message chosen" if count == 1 else f"{count} messages chosen"
    )
    page.locator('[data-pr-bulk-bar] button[value="cancel"]').click()
    expect(page.locator('input[name="m"]')).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator('input[name="m"]')).to_have_count(count)


@pytest.mark.parametrize("width", [320])
def test_a_phone_shows_cards_without_sideways_scroll_and_opens_the_page_of_a_message(
    page: Page, camera: Camera, width: int
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/messages?period=month")
    camera.take(page, "phone-messages")
    page.set_viewport_size({"width": width, "height": 844})
    try:
        for path in ("/messages?period=month", "/messages?q=zebra", "/messages/new"):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert findings_of(page) == [], path
        page.goto("/messages?period=month")
        page.locator("[data-pr-open]").first.click()
        expect(page.get_by_role("heading", level=1)).not_to_have_text("Messages")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert findings_of(page) == []
    finally:
        page.set_viewport_size(DESKTOP)


def test_a_message_is_written_seen_beforehand_and_followed(page: Page) -> None:
    page.goto("/messages/new")
    page.get_by_label("To", exact=True).fill("ann@norrvik.example")
    page.get_by_label("Subject", exact=True).fill("Gate 3 is closed")
    page.get_by_label("Text", exact=True).fill("Use gate 4.")
    page.get_by_label("Add files").set_input_files([
        {"name": "plan.pdf", "mimeType": "application/pdf", "buffer": b"%PDF" * 1_000_000}
    ])
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("plan.pdf, 3.8 MB")).to_be_visible()
    assert findings_of(page) == []
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Gate 3 is closed")
    expect(page.locator(".pr-message-detail .pr-badge").first).to_contain_text("Sent", timeout=15_000)
