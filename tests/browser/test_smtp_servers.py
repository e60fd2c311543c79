"""The list of servers in a browser: the order changed by keyboard alone and said aloud, testing all, pausing."""

import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.rig.api import Api
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import Camera
from .test_story import findings_of
from .visit import EMAIL, log_in, make_account, window

pytestmark = pytest.mark.browser

NAMES = ("Microsoft 365 reports", "Amazon SES Ireland", "Internal relay")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Three servers on a port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    installation = Installation(tmp_path_factory.mktemp("servers") / "data", POSTROOM_SMTP_PORTS="1-65535")
    with running_postroom(installation) as run:
        make_account(installation)
        api = Api(run)
        for name in NAMES:
            api.ask("POST", "smtp-servers", 201, {
                "name": name, "host": "127.0.0.1", "port": port, "security": "none", "from_name": "Norrvik Freight",
                "from_address": "reports@norrvik.example", "test_recipient": EMAIL, "use_unverified": True,
                "reason": "lab", "limits": {"messages_per_day": 2_000}, "is_default": name == NAMES[0],
            })
        yield run


@pytest.fixture
def page(browser: Browser, run: Run) -> Iterator[Page]:
    with window(browser, run, log_in, timezone_id="Europe/Berlin") as page:
        yield page


def names(page: Page) -> list[str]:
    return [text for text in page.locator(".pr-servers .pr-title").all_inner_texts() if text != "Sandbox"]


def test_the_order_is_changed_and_put_back_by_keyboard_alone(page: Page, run: Run) -> None:
    page.goto(f"{run.url}/smtp-servers")
    change = page.get_by_role("link", name="Change order")
    change.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=f"Move down {NAMES[2]}")).to_have_attribute("aria-disabled", "true")
    up = page.get_by_role("button", name=f"Move up {NAMES[2]}")
    up.focus()
    page.keyboard.press("Enter")
    said = page.locator("#order-said")
    expect(said).to_have_text(f"{NAMES[2]} is now at place 2 of 3.")
    expect(said).to_have_attribute("role", "status")
    assert names(page) == [NAMES[0], NAMES[2], NAMES[1]]
    expect(up).to_be_focused()
    page.keyboard.press("Enter")
    expect(said).to_have_text(f"{NAMES[2]} is now the default, at place 1 of 3.")
    expect(up).to_be_focused()
    page.keyboard.press("Enter")
    expect(said).to_have_text(f"{NAMES[2]} stays at place 1 of 3.")
    page.get_by_role("button", name=f"Move down {NAMES[2]}").focus()
    page.keyboard.press("Enter")
    expect(said).to_have_text(f"{NAMES[2]} is now at place 2 of 3.")
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    expect(said).to_have_text(f"{NAMES[2]} is now the default, at place 1 of 3.")
    page.get_by_role("link", name="Done").press("Enter")
    assert names(page) == [NAMES[2], NAMES[0], NAMES[1]]
    expect(page.get_by_role("button", name="Move up")).to_have_count(0)


def test_testing_all_shows_what_is_under_way_and_then_what_it_came_to(page: Page, run: Run) -> None:
    page.goto(f"{run.url}/smtp-servers")
    page.get_by_role("button", name="Test all").click()
    expect(page.locator(".pr-servers .pr-badge", has_text="Failing since")).to_have_count(len(NAMES))
    expect(page.get_by_text("The default server has not answered since")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Checked again every night")).to_be_visible()


def test_a_server_is_paused_until_a_time_from_its_menu_and_resumed(page: Page, run: Run, camera: Camera) -> None:
    page.goto(f"{run.url}/smtp-servers")
    page.get_by_text(f"Actions for {NAMES[1]}").locator("..").click()
    page.get_by_role("link", name="Pause…").click()
    page.get_by_label("Until a time, then it goes on by itself").check()
    page.get_by_label("Day and time").fill("2099-03-16T08:00")
    page.get_by_label("Reason").fill("Mailbox move")
    assert findings_of(page) == []
    page.get_by_role("button", name="Pause server").click()
    row = page.get_by_role("row").filter(has_text=NAMES[1])
    expect(row).to_contain_text("Until 16 Mar 2099, 08:00")
    expect(row).to_contain_text("“Mailbox move”")
    camera.take(page, "smtp-configuration")
    page.get_by_text(f"Actions for {NAMES[1]}").locator("..").click()
    page.get_by_role("button", name="Resume").click()
    expect(row).not_to_contain_text("Mailbox move")


@pytest.mark.parametrize("path", ["/smtp-servers", "/smtp-servers?order=yes"])
def test_the_list_has_no_finding_in_light_dark_and_on_a_phone(page: Page, run: Run, path: str) -> None:
    page.goto(run.url + path)
    assert findings_of(page) == []
    page.context.add_cookies([{"name": "postroom_theme", "value": "dark", "url": run.url}])
    page.goto(run.url + path)
    assert findings_of(page) == []
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(run.url + path)
    assert findings_of(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    small = page.locator("main a.pr-btn, main button.pr-btn, main summary.pr-icon-btn")
    for box in (small.nth(n).bounding_box() for n in range(small.count())):
        assert box is None or box["height"] >= 44
