"""Templates in a browser: written with a preview beside, sent as a test, branded; at any width and in both themes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import DESKTOP
from .test_delivery_rules import PASSWORD, is_sound

pytestmark = pytest.mark.browser
# One pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63908ed9030001"
    "c90134aba123550000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with running_postroom(Installation(tmp_path_factory.mktemp("templates") / "data")) as run:
        yield run


@pytest.fixture(scope="module")
def window(browser: Browser, run: Run) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")  # type: ignore[arg-type]
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


def test_a_template_is_written_with_its_preview_beside_and_sent_as_a_test(window: Page, run: Run) -> None:
    page = window
    page.goto(f"{run.url}/templates")
    expect(page.get_by_role("link", name="Report delivery")).to_be_visible()
    is_sound(page)
    page.get_by_role("link", name="Add template").click()
    page.get_by_label("Name", exact=True).fill("monthly-figures")
    page.get_by_label("Sample values").fill('{"month": "March", "rows": 412}')
    page.get_by_label("Subject", exact=True).fill("Figures of {{ month }}")
    page.get_by_label("HTML").fill("<h1>{{ rows | number }} rows</h1><script>document.title = 'ran'</script>")
    frame = page.frame_locator("#preview-in iframe")
    expect(frame.get_by_role("heading", name="412 rows")).to_be_visible()
    expect(page.get_by_text("Figures of March")).to_be_visible()
    page.get_by_label("HTML").fill("<h1>{{ rows }} rows</h1><p style='color: #ccc'>pale</p>")
    expect(page.get_by_text("“pale” is pale")).to_be_visible()
    page.get_by_label("HTML").fill("<h1>{{ rows | number }} rows</h1>")
    expect(page.get_by_text("Everybody can read it")).to_be_visible()
    is_sound(page)
    page.get_by_text("Phone", exact=True).click()
    expect(page.locator("#preview-in iframe")).to_have_css("width", "360px")
    page.get_by_role("group", name="See the mail").get_by_text("Plain text").click()
    expect(page.locator("#preview-in .pr-preview-text")).to_contain_text("412 rows")
    page.get_by_role("button", name="Send test to me").click()
    expect(page.get_by_text("A test is on its way to marta@norrvik.example.")).to_be_visible()
    page.get_by_role("button", name="Save template").click()
    expect(page.get_by_text("monthly-figures, version 1")).to_be_visible()
    is_sound(page)
    page.goto(f"{run.url}/sandbox")
    expect(page.get_by_role("link", name="Figures of March")).to_be_visible()


def test_what_is_wrong_is_said_and_a_built_in_one_is_set_back(window: Page, run: Run) -> None:
    page = window
    page.goto(f"{run.url}/templates")
    page.get_by_role("link", name="Announcement", exact=True).click()
    page.locator("#f-html-en").fill("<p>{{ text }</p>")
    page.get_by_role("button", name="Save template").click()
    expect(page.locator("#summary")).to_contain_text("Close what begins with {{")
    is_sound(page)
    page.locator("#f-html-en").fill("<h1>Mine: {{ title }}</h1>")
    page.get_by_role("button", name="Save template").click()
    expect(page.get_by_text("announcement, version 1")).to_be_visible()
    page.get_by_role("button", name="Use As it came with Postroom").click()
    expect(page.get_by_text("announcement, as it came with Postroom")).to_be_visible()
    is_sound(page)


def test_branding_is_seen_where_it_is_changed(window: Page, run: Run, tmp_path: Path) -> None:
    page = window
    picture = tmp_path / "logo.png"
    picture.write_bytes(PNG)
    page.goto(f"{run.url}/templates")
    page.get_by_role("link", name="Branding").click()
    page.get_by_label("Accent colour").fill("#ffee00")
    page.get_by_role("button", name="Save branding").click()
    expect(page.locator("#summary")).to_contain_text("Choose a darker colour")
    is_sound(page)
    page.get_by_label("Accent colour").fill("#7a1f5c")
    page.get_by_label("Footer").fill("Norrvik Freight, Oslo")
    page.locator("#f-logo").set_input_files(picture)
    page.get_by_role("button", name="Save branding").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("img", name="Postroom")).to_be_visible()
    expect(frame.get_by_text("Norrvik Freight, Oslo")).to_be_visible()
    is_sound(page)
