"""Delivery rules, explain route and the queue in a browser, at any width and in both themes."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import DESKTOP
from .test_story import findings_of

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery staple"
PHONE = {"width": 320, "height": 700}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with running_postroom(Installation(tmp_path_factory.mktemp("rules") / "data")) as run:
        yield run


@pytest.fixture(scope="module")
def window(browser: Browser, run: Run) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    context.set_default_timeout(20_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(run.setup_url)
    page.get_by_label("Your name").fill("Marta Keller")
    page.get_by_label("E-mail address").fill("marta@norrvik.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create administrator").click()
    page.get_by_role("navigation", name="Main").wait_for()
    yield page
    context.close()
    assert complaints == []


# What the theme decides; everything else axe has seen in the light.
COLOUR_RULES = ("color-contrast", "link-in-text-block")


def is_sound(page: Page) -> None:
    """Nothing for axe to object to and nothing wider than the window, on a desk and on a phone, light and dark."""
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for scheme, rules in (("light", ()), ("dark", COLOUR_RULES)):
            page.evaluate("theme => document.documentElement.setAttribute('data-bs-theme', theme)", scheme)
            assert findings_of(page, rules) == []
        assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    page.evaluate("document.documentElement.setAttribute('data-bs-theme', 'light')")
    page.set_viewport_size(DESKTOP)


def test_rules_are_made_moved_by_keyboard_removed_and_put_back(window: Page, run: Run) -> None:
    page = window
    page.goto(f"{run.url}/delivery-rules")
    expect(page.get_by_role("heading", name="No rule yet")).to_be_visible()
    is_sound(page)
    for name in ("Reports", "Partners"):
        page.goto(f"{run.url}/delivery-rules/new")
        page.get_by_label("Server", exact=True).select_option(label="Sandbox")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Recipient domains").fill("partner.example\n*.partner.example")
        page.get_by_text("Advanced").click()
        is_sound(page)
        page.get_by_role("button", name="Save rule").click()
        expect(page.get_by_role("link", name=name)).to_be_visible()
    is_sound(page)
    page.get_by_role("link", name="Change order").click()
    page.get_by_role("button", name="Move up Partners").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".pr-ordering-said")).to_contain_text("Partners is now at place 1 of 2.")
    is_sound(page)
    page.get_by_role("link", name="Done").click()
    page.locator("summary", has_text="Actions for Reports").click()
    page.get_by_role("button", name="Remove rule").click()
    expect(page.get_by_role("link", name="Reports")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="Reports")).to_be_visible()


def test_a_route_is_explained_and_the_queue_is_shown(window: Page, run: Run) -> None:
    page = window
    page.goto(f"{run.url}/route")
    page.get_by_label("To", exact=True).fill("ann@partner.example")
    page.get_by_role("button", name="Explain route").click()
    expect(page.get_by_text("The sandbox catches it: nothing leaves this machine.")).to_be_visible()
    is_sound(page)
    page.goto(f"{run.url}/queue")
    expect(page.get_by_role("cell", name="Sandbox").first).to_be_visible()
    is_sound(page)
