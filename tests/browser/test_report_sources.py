"""Report sources in a browser: a database connected, a query tried, a file refused; any width, both themes."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import DESKTOP
from .test_delivery_rules import PASSWORD, is_sound

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sample database, and nothing else yet."""
    folder = tmp_path_factory.mktemp("reports")
    with sqlite3.connect(folder / "shop.db") as shop:
        shop.execute("CREATE TABLE sale (region TEXT, amount REAL)")
        shop.executemany("INSERT INTO sale VALUES (?, ?)", [("North", 12.5), ("South", 8.0)])
    shop.close()
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, reports: Path) -> Iterator[Run]:
    data = tmp_path_factory.mktemp("sources") / "data"
    with running_postroom(Installation(data, POSTROOM_REPORT_ROOTS=f"reports={reports}")) as run:
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


def test_a_database_is_connected_and_a_query_tried(window: Page, run: Run) -> None:
    page = window
    page.goto(f"{run.url}/report-sources")
    expect(page.get_by_role("heading", name="No report source yet")).to_be_visible()
    is_sound(page)
    page.get_by_role("link", name="Add connection").click()
    page.get_by_label("Name", exact=True).fill("Shop")
    page.get_by_role("textbox", name="File").fill("shop.db")
    is_sound(page)
    page.get_by_role("button", name="Save connection").click()
    expect(page.get_by_text("The database let Postroom in")).to_be_visible()
    is_sound(page)
    page.goto(f"{run.url}/report-sources/new")
    page.get_by_label("Name", exact=True).fill("Sales by region")
    page.get_by_role("radio", name="Query").check()
    expect(page.get_by_label("Folder", exact=True)).to_be_hidden()
    page.get_by_role("combobox", name="Database").select_option(label="Shop")
    page.get_by_role("textbox", name="Query").fill("SELECT region, amount FROM sale ORDER BY region")
    is_sound(page)
    page.get_by_role("button", name="Save source").click()
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("cell", name="North")).to_be_visible()
    is_sound(page)
    page.goto(f"{run.url}/report-sources")
    expect(page.get_by_role("link", name="Sales by region")).to_be_visible()
    is_sound(page)


def test_what_is_missing_is_said_beside_its_field_and_why_a_try_failed_beside_the_button(
    window: Page, run: Run
) -> None:
    page = window
    page.goto(f"{run.url}/report-sources/new")
    page.get_by_label("Name", exact=True).fill("Nightly export")
    page.get_by_role("button", name="Save source").click()
    expect(page.get_by_role("alert")).to_contain_text("One field needs a change")
    is_sound(page)
    page.get_by_role("textbox", name="File", exact=True).fill("nightly/*.csv")
    page.locator("summary", has_text="More").click()
    is_sound(page)
    page.get_by_role("button", name="Save source").click()
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("No file matches nightly/*.csv.")).to_be_visible()
    is_sound(page)


def test_each_kind_shows_its_own_fields(window: Page, run: Run) -> None:
    page = window
    page.goto(f"{run.url}/report-sources/new")
    page.get_by_role("radio", name="Web address").check()
    expect(page.get_by_role("textbox", name="Address", exact=True)).to_be_visible()
    expect(page.get_by_label("Folder", exact=True)).to_be_hidden()
    is_sound(page)
    page.get_by_role("radio", name="Pushed").check()
    expect(page.get_by_role("textbox", name="Address", exact=True)).to_be_hidden()
    page.get_by_label("Name", exact=True).fill("From the warehouse")
    page.get_by_role("button", name="Save source").click()
    expect(page.get_by_text("curl -H")).to_be_visible()
    is_sound(page)
