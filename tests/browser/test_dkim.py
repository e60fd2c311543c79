"""A DKIM key in a browser: made, looked for in the DNS by a running engine, switched on by choice."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.net.dns_server import Zone, dns_server_beside
from tests.rig.installation import Installation, Run, running_postroom

from .conftest import DESKTOP
from .test_story import findings_of

pytestmark = pytest.mark.browser

ZONE: Zone = {"MX norrvik.example": ["0 mail.norrvik.example."], "A mail.norrvik.example": ["192.0.2.7"]}
PASSWORD = "correct horse battery staple"
PHONE = {"width": 320, "height": 700}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with (
        dns_server_beside(ZONE) as place,
        running_postroom(Installation(tmp_path_factory.mktemp("dkim") / "data", POSTROOM_DNS=place)) as run,
    ):
        yield run


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


def test_a_key_is_made_looked_for_and_switched_on_by_choice(page: Page, run: Run) -> None:
    page.goto(f"{run.url}/dkim-keys?domain=norrvik.example")
    assert findings_of(page) == []
    page.get_by_label("Ed25519").check()
    page.get_by_label("Selector").fill("pr1")
    page.get_by_role("button", name="Make a key").click()
    card = page.get_by_role("region", name="norrvik.example")
    expect(card.get_by_role("definition").filter(has_text="pr1._domainkey.norrvik.example")).to_be_visible()
    expect(card.get_by_text("v=DKIM1; k=ed25519; p=")).to_be_visible()
    card.get_by_role("button", name="Check").click()
    expect(card.get_by_text("Not published: the DNS did not show it")).to_be_visible()
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        assert findings_of(page) == []
        assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    page.once("dialog", lambda dialog: dialog.accept())
    card.get_by_role("button", name="Switch on").click()
    expect(card.get_by_text("Signs", exact=True)).to_be_visible()
    expect(page.get_by_text("Mail of norrvik.example is signed from now on.")).to_be_visible()
