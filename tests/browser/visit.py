"""Somebody at the pages of a running Postroom: how she comes in, and her window, in which nothing may fail."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page
from tests.rig.installation import Installation, Run

from .conftest import DESKTOP
from .test_story import complaint_of

EMAIL, PASSWORD = "marta.keller@norrvik.example", "correct horse battery staple"
WAIT_MS = 20_000
ROOT = Path(__file__).parents[2]


@contextmanager
def window(
    browser: Browser, run: Run, come_in: Callable[[Page, Run], None], *, unheeded: str | None = None, **context: Any
) -> Iterator[Page]:
    """A window of somebody who came in; fails at its end where a script failed or the console complained.

    `unheeded` is how a complaint of the console begins that means nothing; the way in itself is not listened to then.
    """
    opened = browser.new_context(viewport=DESKTOP, locale="en-GB", base_url=run.url, **context)
    opened.set_default_timeout(WAIT_MS)
    page = opened.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    if unheeded is None:
        page.on("console", lambda said: complaints.extend(complaint_of(said)))
    come_in(page, run)
    if unheeded is not None:
        page.on("console", lambda said: complaints.extend(c for c in complaint_of(said) if not c.startswith(unheeded)))
    yield page
    opened.close()
    assert complaints == []


def set_up(page: Page, run: Run) -> None:
    """Come in as the first administrator, by the link that `postroom run` prints."""
    page.goto(run.setup_url)
    for label, text in (("Your name", "Marta Keller"), ("E-mail address", EMAIL)):
        page.get_by_label(label, exact=True).fill(text)
    page.locator("input[type=password]").first.fill(PASSWORD)
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_url(re.compile(r"/(?!setup)"))


def make_account(installation: Installation) -> None:
    """The same administrator by command, for `log_in`."""
    words = ("user", "create", EMAIL, "--name", "Marta Keller", "--role", "administrator")
    made = installation.command(*words, said=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr


def log_in(page: Page, run: Run) -> None:
    """Come in with the account's password."""
    page.goto(f"{run.url}/login")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{run.url}/")


def fill(installation: Installation, messages: int) -> None:
    """Put in the messages of a month."""
    environment = {**os.environ, **installation.environment, "DJANGO_SETTINGS_MODULE": "postroom.settings"}
    command = [sys.executable, "-m", "tests.rig.filled", str(messages)]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=60)
