"""What the DNS says, in a browser: below recipients while they are typed, by a running Postroom."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.net.dns_server import Zone, dns_server_beside
from tests.rig.installation import Installation, Run, running_postroom

from .test_story import findings_of
from .visit import log_in, make_account, window

pytestmark = pytest.mark.browser

ZONE: Zone = {
    "MX norrvik.example": ["0 norrvik-example.mail.protection.outlook.com."],
    "A norrvik-example.mail.protection.outlook.com": ["52.101.68.36"],
    "TXT norrvik.example": ['"v=spf1 include:spf.protection.outlook.com -all"'],
    "TXT spf.protection.outlook.com": ['"v=spf1 ip4:40.92.0.0/15 -all"'],
    "TXT _dmarc.norrvik.example": ['"v=DMARC1; p=quarantine"'],
    "MX never.example": ["0 ."],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with dns_server_beside(ZONE) as place:
        installation = Installation(tmp_path_factory.mktemp("domain") / "data", POSTROOM_DNS=place)
        with running_postroom(installation) as run:
            make_account(installation)
            yield run


@pytest.fixture
def page(browser: Browser, run: Run) -> Iterator[Page]:
    # htmx complains of a look at the DNS that the end of a test breaks off.
    with window(browser, run, log_in, unheeded="htmx:") as page:
        yield page


def test_the_card_follows_what_is_typed_and_shows_the_records_to_add(page: Page, run: Run) -> None:
    page.goto(f"{run.url}/smtp-servers/new")
    page.get_by_label("Host Name").fill("smtp.office365.com")
    page.get_by_label("From Address").fill("reports@norrvik.example")
    card = page.get_by_role("region", name="From domain")
    expect(card.get_by_text("SPF allows Microsoft 365.")).to_be_visible()
    expect(card.get_by_text("DMARC policy: quarantine.")).to_be_visible()
    card.get_by_text("Show the DNS records").click()
    expect(card.get_by_text("selector1._domainkey.norrvik.example")).to_be_visible()
    page.get_by_label("From Address").fill("reports@gone.example")
    expect(card.get_by_text("The DNS has no domain gone.example.")).to_be_visible()
    assert findings_of(page) == []


def test_detecting_by_address_is_done_by_keyboard_and_fills_in_on_request_only(page: Page, run: Run) -> None:
    page.goto(f"{run.url}/smtp-servers/new")
    page.get_by_label("or detect from e-mail address").fill("reports@norrvik.example")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Microsoft 365 (MX record)")).to_be_visible()
    expect(page).to_have_url(re.compile("/smtp-servers/new"))
    page.get_by_label("From Name").fill("Norrvik Reports")
    page.get_by_role("link", name="Fill in Microsoft 365").click()
    expect(page.get_by_label("Host Name")).to_have_value("smtp.office365.com")
    expect(page.get_by_role("radio", name="Microsoft 365")).to_be_checked()
    expect(page.get_by_label("From Name")).to_have_value("Norrvik Reports")


def test_recipients_are_looked_at_while_they_are_typed(page: Page, run: Run) -> None:
    page.goto(f"{run.url}/messages/new")
    to = page.get_by_label("To", exact=True)
    to.fill("ann@norrvik.example\nbob@gmial.com\n")
    said = page.get_by_role("status").filter(has_text="accepts mail")
    expect(said.get_by_text("norrvik.example accepts mail")).to_be_visible()
    expect(page.get_by_text("Did you mean gmail.com?")).to_be_visible()
    to.fill("ann@never.example")
    expect(page.get_by_text("never.example declares that it never accepts mail.")).to_be_visible()
    assert findings_of(page) == []
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 320
