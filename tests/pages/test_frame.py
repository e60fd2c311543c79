"""What stands around every page: the state of delivery, icons that exist, licences of what is not ours."""

import re
from datetime import timedelta
from pathlib import Path

from django.test import Client
from django.utils import timezone

from postroom.pages import states
from postroom.pages.navigation import navigation
from postroom.pages.queries.delivery_status import delivery_status
from postroom.pages.queries.providers import tiles
from postroom.store.heartbeat import store_heartbeat
from postroom.store.models import User

PAGES = Path(states.__file__).parent


def test_a_silent_engine_is_told_on_every_page_and_on_the_overview_with_what_it_means(page: Client) -> None:
    assert "Delivery is not running" in page.get("/messages").content.decode()
    assert "The engine is not running." in page.get("/").content.decode()


def test_a_fresh_heartbeat_counts_as_running_and_an_old_one_does_not(page: Client) -> None:
    store_heartbeat(timezone.now(), "running")
    assert "Delivery is running" in page.get("/messages").content.decode()
    store_heartbeat(timezone.now() - timedelta(minutes=2), "running")
    assert "Delivery is not running" in page.get("/messages").content.decode()


def test_an_engine_that_stopped_in_good_order_is_told_at_once(page: Client) -> None:
    store_heartbeat(timezone.now(), "stopped")
    assert "Delivery is not running" in page.get("/messages").content.decode()


def test_every_icon_that_the_pages_name_is_in_the_sprite(administrator: User) -> None:
    sprite = set(re.findall(r'symbol id="([^"]+)"', (PAGES / "static/pages/icons.svg").read_text()))
    named = {look.icon for look in [*states._LOOKS.values(), states.UNKNOWN]}
    shown = navigation("/", administrator, delivery_status())
    named |= {entry.icon for entry in shown.daily} | {group.icon for group in shown.administration}
    named |= {icon for _preset, _text, icon in tiles()}
    for template in PAGES.rglob("*.html"):
        named |= set(re.findall(r'{% icon "([a-z0-9-]+)"', template.read_text()))
    assert named == sprite


def test_each_folder_of_other_projects_files_holds_its_licence() -> None:
    folders = [folder for folder in (PAGES / "static/pages/vendor").iterdir() if folder.is_dir()]
    assert len(folders) == 5
    assert [folder.name for folder in folders if not (folder / "LICENSE").is_file()] == []
