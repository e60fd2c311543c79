"""Test mode in a browser: switched on for the site, seen on every page and in the mail, switched off; and readable."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.rig.installation import Installation, Run, running_postroom

from .test_bounces import asked, looked_at
from .visit import EMAIL, set_up, window

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with running_postroom(Installation(tmp_path_factory.mktemp("test-mode") / "data")) as run:
        yield run


@pytest.fixture(scope="module")
def page(browser: Browser, run: Run) -> Iterator[Page]:
    with window(browser, run, set_up) as page:
        yield page


def handed_in(run: Run, token: str) -> Any:
    """A message for somebody, as it was accepted."""
    id_ = asked(run, token, "/messages", {"to": "ann@example.org", "subject": "Sales", "text": "Up by 3 %"})["id"]
    return asked(run, token, f"/messages/{id_}")


def test_everything_goes_to_one_address_until_it_is_switched_off(page: Page, run: Run) -> None:
    token = run.installation.command("token", "create", "Test", "--scope", "admin").stdout.strip()
    looked_at(page, f"{run.url}/test-mode")
    page.goto(f"{run.url}/instance")
    page.get_by_role("link", name="Test mode…").click()
    expect(page.get_by_label("Send everything to")).to_have_value(EMAIL)
    page.get_by_role("button", name="Turn test mode on").click()
    banner = page.locator(".pr-test-banner")
    expect(banner).to_contain_text(f"goes to {EMAIL} only")
    looked_at(page, f"{run.url}/messages")
    looked_at(page, f"{run.url}/test-mode")
    time.sleep(1)  # what is accepted knows of it within a second
    message = handed_in(run, token)
    assert [delivery["recipient"] for delivery in message["deliveries"]] == [EMAIL]
    assert message["subject"] == "[Test for ann@example.org] Sales"
    page.goto(f"{run.url}/messages")
    page.locator(".pr-test-banner").get_by_role("button", name="Turn test mode off").click()
    expect(page.locator(".pr-test-banner")).to_have_count(0)
    time.sleep(1)
    message = handed_in(run, token)
    assert [delivery["recipient"] for delivery in message["deliveries"]] == ["ann@example.org"]
