"""Schedules in words, holiday calendars and the load planner in a browser, at any width and in both themes."""

import json
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import DESKTOP
from .test_delivery_rules import PASSWORD, is_sound

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("schedule") / "data")


@pytest.fixture(scope="module")
def run(installation: Installation) -> Iterator[Run]:
    with running_postroom(installation) as run:
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
    page.get_by_label("E-mail address").fill("marta@norrvik.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create administrator").click()
    page.get_by_role("navigation", name="Main").wait_for()
    yield page
    context.close()
    assert complaints == []


def test_a_calendar_is_added_with_its_coming_days(window: Page, run: Run) -> None:
    page = window
    page.goto(f"{run.url}/holiday-calendars")
    expect(page.get_by_role("heading", name="No calendars yet")).to_be_visible()
    is_sound(page)
    page.get_by_role("link", name="Add calendar").first.click()
    page.get_by_label("Public holidays of").fill("Germany\nAtlantis")
    page.get_by_role("button", name="Save calendar").click()
    expect(page.get_by_role("alert")).to_contain_text("2 fields need a change")
    is_sound(page)
    page.get_by_label("Name").fill("Germany and Sweden")
    page.get_by_label("Public holidays of").fill("Germany\nSE")
    page.get_by_role("button", name="Save calendar").click()
    expect(page.get_by_role("cell", name="Germany, Sweden")).to_be_visible()
    is_sound(page)
    page.get_by_role("link", name="Germany and Sweden").click()
    expect(page.get_by_text("Second Day of Christmas").first).to_be_visible()
    is_sound(page)


def test_words_are_understood_as_they_are_typed_and_the_next_runs_follow(window: Page, run: Run) -> None:
    page = window
    page.goto(f"{run.url}/subscriptions/new")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    words = page.get_by_label("Run in plain words")
    words.press_sequentially("every Monday and Thursday at 07:30")
    expect(page.get_by_text("Understood: Mondays and Thursdays, 07:30")).to_be_visible()
    runs = page.get_by_role("table", name="Next five runs")
    expect(runs.get_by_role("row")).to_have_count(6)
    expect(runs).to_contain_text("07:30")
    is_sound(page)
    words.fill("every Munday at 8")
    expect(page.get_by_text("“munday” is not understood", exact=False)).to_be_visible()
    is_sound(page)
    page.get_by_text("Choose days and times instead").click()
    page.get_by_label("How often").select_option("workday")
    page.get_by_label("At", exact=True).fill("06:45")
    is_sound(page)
    page.get_by_role("button", name="Take these days and times").click()
    expect(page.get_by_text("Understood: Monday to Friday, 06:45")).to_be_visible()
    expect(words).to_have_value("Monday to Friday, 06:45")
    words.fill("every day at 08:00")
    page.get_by_text("Days off").first.click()
    page.get_by_label("Skip the days of this calendar").select_option(label="Germany and Sweden")
    expect(page.get_by_text("Understood: Every day, 08:00")).to_be_visible()


def test_the_load_planner_says_when_a_report_has_left(window: Page, run: Run, installation: Installation) -> None:
    page = window
    page.goto(f"{run.url}/load-plan")
    expect(page.get_by_role("heading", name="Nothing is planned for this day")).to_be_visible()
    is_sound(page)
    token = installation.command("token", "create", "planner", "--scope", "admin").stdout.strip()
    source = posted(run, token, "report-sources", {"name": "Numbers", "kind": "pushed"})
    posted(run, token, "subscriptions", {
        "name": "Sales", "source": source["id"], "schedule": {"words": "every hour", "time_zone": "UTC"},
        "subscribers": [{"address": "ann@example.org"}],
    })
    page.get_by_role("link", name="tomorrow").click()
    expect(page.get_by_text("Everything leaves within 15 minutes.")).to_be_visible()
    expect(page.get_by_role("cell", name="Sales").first).to_be_visible()
    is_sound(page)


def posted(run: Run, token: str, path: str, body: dict[str, object]) -> dict[str, str]:
    """What the API answers."""
    request = urllib.request.Request(
        f"{run.url}/api/v1/{path}", data=json.dumps(body).encode(), method="POST",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, str] = json.load(answer)
    return found
