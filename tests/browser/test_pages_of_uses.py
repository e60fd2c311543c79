"""The pages of what the mail is for, with somebody's data: nothing cut, hidden or wider than the window, narrow and
wide, in English and French, and no complaint of the browser; what an editor says of changes; a form that waits."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import DESKTOP
from .test_delivery_rules import PASSWORD

pytestmark = pytest.mark.browser

NARROW: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 360, "height": 780}
LONG = "a-really-long-mailbox-name-for-the-nordic-logistics@subsidiary.norrvik-freight-international.example"
LISTS = (
    "/", "/subscriptions", "/subscriptions/new", "/report-sources", "/report-sources/new", "/sql-connections/new",
    "/recipients", "/recipients/import", "/groups", "/recipient-domains", "/templates", "/templates/new",
    "/templates/branding", "/holiday-calendars", "/holiday-calendars/new", "/load-plan", "/alerts", "/alert-rules",
    "/alert-rules/queue-old", "/announcements", "/announcements/new", "/webhooks", "/webhooks/new", "/test-mode",
)
# What a person can't read to its end: controls and titles whose text is wider than they are, crumbs over each other, a
# last line that the bar of actions covers when the page is at its end.
CUT = """() => {
  const shown = (e) => e.offsetParent && e.clientWidth > 1 && !e.closest(".pr-sr, .pr-crumbs");
  const cut = [...document.querySelectorAll("select, button, .pr-btn, label, legend, summary, h1, h2, h3, td")]
    .filter((e) => shown(e) && e.scrollWidth > e.clientWidth + 1)
    .map((e) => `cut: ${e.textContent.trim().slice(0, 60)}`);
  const crumbs = [...document.querySelectorAll(".pr-crumbs li")].map((e) => e.getBoundingClientRect());
  if (crumbs.some((box, i) => i && box.left < crumbs[i - 1].right - 1)) cut.push("crumbs lie over each other");
  window.scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
  const bar = document.querySelector(".pr-bar");
  const cards = [...document.querySelectorAll("main .pr-card")].map((e) => e.getBoundingClientRect().bottom);
  const end = Math.max(0, ...cards);
  if (bar && end > bar.getBoundingClientRect().top) cut.push("the bar covers the end");
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) cut.push("wider than the window");
  return cut;
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    with sqlite3.connect(folder / "shop.db") as shop:
        shop.execute("CREATE TABLE sale (region TEXT, amount REAL)")
    shop.close()
    (folder / "sales.csv").write_text("region,amount\r\nNorth,12\r\n")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Run]:
    installation = Installation(
        tmp_path_factory.mktemp("uses") / "data", POSTROOM_REPORT_ROOTS=f"reports={folder}",
        POSTROOM_WEBHOOK_NETWORKS="127.0.0.0/8",
    )
    with running_postroom(installation) as run:
        run.url  # noqa: B018 - it is ready
        for words in (
            ("group", "add", "Operations managers", "lena.holm@norrvik.example", LONG),
            ("source", "add", "Delivery performance of all depots", "--file", "reports:sales.csv"),
            ("subscription", "add", "Weekly delivery performance", "--source", "Delivery performance of all depots",
             "--to", "Operations managers", "--when", "every Monday and Thursday at 07:30", "--time-zone",
             "America/Argentina/Buenos_Aires"),
            ("subscription", "run", "Weekly delivery performance"),
            ("calendar", "add", "Days off in the north", "--countries", "SE,DE"),
            ("webhook", "add", "Dispatch board", "http://127.0.0.1:9/events"),
        ):
            said = installation.command(*words)
            assert said.returncode == 0, said.stderr
        yield run


@pytest.fixture(scope="module")
def context(browser: Browser, run: Run) -> Iterator[BrowserContext]:
    """Signed in."""
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto(run.setup_url)
    page.get_by_label("Your name").fill("Marta Keller")
    page.get_by_label("E-mail address").fill("marta@norrvik.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create administrator").click()
    page.get_by_role("navigation", name="Main").wait_for()
    page.close()
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A window in which the browser complains of nothing."""
    page, complaints = context.new_page(), list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    yield page
    page.close()
    # That a newer question replaced one under way is what is meant to happen; the library calls it an error.
    assert [text for text in complaints if not text.startswith(("htmx:sendAbort", "htmx:afterRequest"))] == []


def pages_of_one(page: Page, run: Run) -> list[str]:
    """The pages of what was made before, found as a person finds them."""
    found = []
    for path, name in (
        ("/subscriptions", "Weekly delivery performance"), ("/report-sources", "Delivery performance of all depots"),
        ("/groups", "Operations managers"), ("/holiday-calendars", "Days off in the north"),
        ("/webhooks", "Dispatch board"), ("/templates", "Report delivery"),
    ):
        page.goto(run.url + path)
        address = page.locator("main").get_by_role("link", name=name, exact=True).get_attribute("href")
        assert address is not None
        found.append(address)
    page.goto(f"{run.url}{found[0]}")
    last = page.locator("#runs tbody a").first.get_attribute("href")
    assert last is not None
    return [*found, f"{found[0]}/edit", last]


def test_nothing_is_cut_or_hidden_in_a_narrow_window_and_on_a_phone(page: Page, run: Run) -> None:
    page.context.add_cookies([{"name": "postroom_language", "value": "en", "url": run.url}])
    paths = [*LISTS, *pages_of_one(page, run)]
    # French words are longer.
    page.context.add_cookies([{"name": "postroom_language", "value": "fr", "url": run.url}])
    found = {}
    for path in paths:
        page.goto(run.url + path)
        assert page.locator("html").get_attribute("lang") == "fr"
        for name, size in (("narrow", NARROW), ("phone", PHONE)):
            page.set_viewport_size(size)
            if cut := page.evaluate(CUT):
                found[path, name] = cut
    assert found == {}


def test_the_bar_of_the_editor_names_what_was_changed(page: Page, run: Run) -> None:
    page.context.add_cookies([{"name": "postroom_language", "value": "en", "url": run.url}])
    page.goto(f"{run.url}/subscriptions")
    page.get_by_role("link", name="Weekly delivery performance").click()
    page.get_by_role("link", name="Change", exact=True).click()
    bar, words = page.locator(".pr-bar-why"), page.get_by_label("Run in plain words")
    expect(bar).to_have_text("Changes hold for runs that begin from then on.")
    words.fill("every day at 09:00")
    expect(bar).to_contain_text("Changed: schedule")
    page.get_by_label("Group, recipient or address").fill("archive@norrvik.example")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("archive@norrvik.example", exact=True)).to_be_visible()
    expect(bar).to_contain_text("Changed: schedule, recipients")
    words.fill("every Monday and Thursday at 07:30")
    expect(bar).to_contain_text("Changed: recipients")
    page.get_by_role("link", name="Discard changes").click()
    expect(page.get_by_role("heading", name="Weekly delivery performance")).to_be_visible()


def test_whoever_lacks_a_connection_adds_one_beside_the_form_and_goes_on(page: Page, run: Run) -> None:
    page.context.add_cookies([{"name": "postroom_language", "value": "en", "url": run.url}])
    page.goto(f"{run.url}/report-sources/new")
    page.get_by_label("Name", exact=True).fill("Sales by region")
    page.get_by_role("radio", name="Query").check()
    page.get_by_label("Query", exact=True).last.fill("SELECT region FROM sale")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Add a connection first").click()
    beside = opened.value
    beside.get_by_label("Name", exact=True).fill("Shop")
    beside.get_by_label("File").fill("shop.db")
    beside.get_by_role("button", name="Save connection").click()
    expect(beside.get_by_role("heading", name="Shop")).to_be_visible()
    beside.close()
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.get_by_label("Database", exact=True).locator("option:checked")).to_have_text("Shop")
    page.get_by_role("button", name="Save source").click()
    expect(page.get_by_role("heading", name="Sales by region")).to_be_visible()
