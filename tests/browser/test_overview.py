"""The overview in a real browser: it renews itself without moving anything, and its charts can be read as tables."""

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
    """Somebody signed in, with 600 messages of a month; everything the console complains about fails."""
    installation = Installation(tmp_path_factory.mktemp("overview") / "data")
    with running_postroom(installation) as run:
        make_account(installation)
        fill(installation, 600)
        with window(browser, run, log_in, timezone_id="Europe/Berlin") as page:
            page.get_by_role("button", name="Hide checklist").click()
            expect(page.get_by_role("heading", name="Overview")).to_be_visible()
            yield page


@pytest.fixture(autouse=True)
def _at_the_overview(page: Page) -> None:
    page.set_viewport_size(DESKTOP)
    page.goto("/")


def test_a_chart_becomes_a_table_and_back_by_keyboard_and_the_focus_stays(page: Page) -> None:
    charts = page.get_by_role("region", name="Deliveries as a table")
    page.locator("#table-deliveries").press("Enter")
    expect(charts.get_by_role("row")).to_have_count(49)
    assert page.evaluate("document.activeElement.id") == "table-deliveries"
    assert "table=deliveries" in page.url
    page.keyboard.press("Enter")
    expect(page.get_by_role("img", name="Deliveries per half hour")).to_be_visible()


def test_another_period_comes_without_loading_the_page_and_goes_with_the_history(page: Page) -> None:
    page.evaluate("window.same = true")
    page.get_by_role("link", name="30 days").click()
    expect(page.get_by_role("img", name="Deliveries per day")).to_be_visible()
    assert page.evaluate("window.same") is True
    page.go_back()
    expect(page.get_by_role("img", name="Deliveries per half hour")).to_be_visible()


def test_what_is_renewed_keeps_focus_and_place(page: Page) -> None:
    page.set_viewport_size({"width": 1_000, "height": 600})
    page.locator("#open-log").focus()
    page.evaluate("window.scrollTo(0, 400)")
    before = page.evaluate("window.scrollY")
    assert before > 0
    with page.expect_response(lambda answer: "seen=0" in answer.url) as answered:
        page.evaluate(
            "htmx.ajax('GET', '/?seen=0', {target: '#overview-work', swap: 'outerHTML'})"
        )
    assert answered.value.status == 200
    page.wait_for_timeout(200)
    assert page.evaluate("document.activeElement.id") == "open-log"
    assert page.evaluate("window.scrollY") == before
    assert page.locator("#overview-work [aria-live], #overview-work [role=status]").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("query", ["", "?period=month&table=queue"])
def test_nothing_is_in_the_way_of_anybody(page: Page, camera: Camera, theme: str, query: str) -> None:
    page.context.add_cookies([{"name": "postroom_theme", "value": theme, "url": page.url}])
    page.goto(f"/{query}")
    assert findings_of(page) == []
    if not query:
        camera.take(page, "overview" if theme == "light" else "overview-dark")
    page.set_viewport_size({"width": 320, "height": 700})
    assert findings_of(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 320
