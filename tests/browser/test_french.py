"""The frame and the small pages in French: light, dark, on a phone of 320 pixels, and by keyboard."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import DESKTOP

pytestmark = pytest.mark.browser

PHONE = {"width": 320, "height": 700}
PATHS = ("/account", "/instance", "/users", "/tokens", "/dkim-keys", "/sandbox", "/nothing-here")
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with running_postroom(Installation(tmp_path_factory.mktemp("french") / "data")) as run:
        yield run


@pytest.fixture(scope="module")
def page(browser: Browser, run: Run) -> Iterator[Page]:
    """A signed-in administrator whose browser asks for French."""
    context = browser.new_context(viewport=DESKTOP, timezone_id="Europe/Paris", locale="fr-FR")
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(run.setup_url)
    expect(page.get_by_role("heading", name="Installer Postroom")).to_be_visible()
    assert objections(page) == []
    page.get_by_label("Votre nom").fill("Marta Keller")
    page.get_by_label("Adresse e-mail").fill("marta@norrvik.example")
    page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Créer l’administrateur et continuer").click()
    expect(page.get_by_role("navigation", name="Principale")).to_be_visible()
    yield page
    context.close()


def objections(page: Page) -> list[object]:
    """What axe objects to, and a page that is wider than its window."""
    found: list[object] = [
        (each["id"], [node["target"] for node in each["nodes"]]) for each in Axe().run(page).response["violations"]
    ]
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        found.append("sideways")
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_small_pages_have_no_finding_and_fit(page: Page, run: Run, theme: str, size: dict[str, int]) -> None:
    page.context.add_cookies([{"name": "postroom_theme", "value": theme, "url": run.url}])
    page.set_viewport_size(size)  # type: ignore[arg-type]
    for path in PATHS:
        page.goto(run.url + path)
        assert page.locator("html").get_attribute("lang") == "fr"
        assert objections(page) == [], path


def test_the_language_is_changed_in_the_account_menu_by_keyboard_and_stays(page: Page, run: Run) -> None:
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    page.goto(run.url + "/instance")
    page.locator(".pr-topbar .pr-menu > summary").focus()
    page.keyboard.press("Enter")
    assert objections(page) == []
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="English")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Instance", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile("/instance$"))
    assert page.locator("html").get_attribute("lang") == "en"
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()


def test_the_phones_menu_opens_closes_and_returns_the_focus(page: Page, run: Run) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(run.url + "/account")
    button = page.locator("[data-pr-menu]")
    button.press("Enter")
    expect(page.locator("#sidebar a").first).to_be_focused()
    assert objections(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#sidebar")).to_be_hidden()
    expect(button).to_be_focused()


def test_a_new_token_is_gone_after_a_reload_and_none_is_added(page: Page, run: Run) -> None:
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    page.goto(run.url + "/tokens")
    page.get_by_label("Name").fill("Report server")
    page.get_by_role("button", name="Create API token").click()
    expect(page.locator("#token")).to_have_text(re.compile("^pr_"))
    assert objections(page) == []
    page.reload()
    expect(page.locator("#token")).to_have_count(0)
    expect(page.get_by_role("row").filter(has_text="Report server")).to_have_count(1)
