"""Webhooks in a browser: added, tested against a real receiver, told of real mail, and readable for everybody."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.rig.installation import Installation, Run, running_postroom
from tests.rig.receiver import Receiver

from .conftest import DESKTOP, Camera
from .test_story import findings_of

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery staple"
PHONE = {"width": 320, "height": 700}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    open_networks = {"POSTROOM_WEBHOOK_NETWORKS": "127.0.0.0/8"}
    with running_postroom(Installation(tmp_path_factory.mktemp("webhooks") / "data", **open_networks)) as run:
        yield run


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
def page(browser: Browser, run: Run) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto(run.setup_url)
    page.get_by_label("Your name").fill("Marta Keller")
    page.get_by_label("E-mail address").fill("marta@norrvik.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create administrator").click()
    page.get_by_role("navigation", name="Main").wait_for()
    yield page
    context.close()


def accessible(page: Page) -> None:
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        assert findings_of(page) == []
        assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]


def test_a_webhook_is_added_tested_and_told_of_mail(
    page: Page, run: Run, receiver: Receiver, camera: Camera
) -> None:
    page.goto(f"{run.url}/webhooks")
    accessible(page)
    page.get_by_role("link", name="Add webhook").click()
    page.get_by_role("button", name="Save webhook").click()
    expect(page.get_by_role("alert")).to_contain_text("2 fields need a change")
    page.get_by_label("Name").fill("Report server")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_label("Only those chosen below").check()
    page.get_by_role("heading", name="Choose events").click()
    page.get_by_label("message.sent a server took it").check()
    accessible(page)
    page.get_by_role("button", name="Save webhook").click()
    expect(page.get_by_text("whsec_")).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="Send test").click()
    expect(page.get_by_text("Taken with 204.")).to_be_visible()
    assert receiver.events[0]["type"] == "webhook.test"
    accessible(page)
    page.goto(f"{run.url}/messages/new")
    for name, text in (("to", "ann@norrvik.example"), ("subject", "Sales in November"), ("text", "Up by 3 %")):
        page.locator(f"#f-{name}").fill(text)
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Send").click()
    page.goto(f"{run.url}/webhooks")
    page.get_by_role("link", name="Report server").click()
    told = page.get_by_role("link", name="message.sent")
    for _ in range(50):
        if told.count():
            break
        page.wait_for_timeout(200)
        page.reload()
    camera.take(page, "webhook")
    accessible(page)
    told.click()
    expect(page.get_by_text('"subject": "Sales in November"')).to_be_visible()
    assert receiver.events[-1]["data"]["recipient"] == "ann@norrvik.example"
    accessible(page)
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("Taken with 204.")).to_have_count(2)
    assert receiver.taken[-1].body == receiver.taken[-2].body
