"""A real headless Chromium against a real `postroom run`, and where the pictures go."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.peers import needed_program

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1440, "height": 1000}
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


# Not for the whole session: while it lives this thread has a running event loop, in which no asynchronous test can run.
# Those of this folder need none.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without anything of its own to fetch."""
    path = needed_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Camera:
    """Takes the pictures of docs/pictures when PICTURES=1 asks for them; otherwise only looks."""

    def __init__(self) -> None:
        self._asked = os.environ.get("PICTURES") == "1"

    def take(self, page: Page, name: str) -> None:
        if self._asked:
            page.evaluate("document.fonts.ready")
            page.wait_for_timeout(300)
            PICTURES.mkdir(parents=True, exist_ok=True)
            # Otherwise Playwright hides the caret with a style of its own, which our policy forbids.
            page.screenshot(path=PICTURES / f"{name}.png", caret="initial")


@pytest.fixture(scope="session")
def camera() -> Camera:
    return Camera()
