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
from postroom.store.models import Delivery, Message, User

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


def waiting(count: int) -> None:
    """So many deliveries in the queue, the oldest accepted ten minutes ago."""
    now = timezone.now()
    accepted = [now - timedelta(minutes=10), *[now] * (count - 1)]
    messages = Message.objects.bulk_create([
        Message(message_id="<1@x.example>", from_header="a@x.example", content_digest="0" * 64, content_size=1,
                created_at=at, expires_at=now + timedelta(days=1))
        for at in accepted
    ])
    Delivery.objects.bulk_create([
        Delivery(message=message, recipient="b@x.example", state="queued", due_at=now, updated_at=now)
        for message in messages
    ])


def test_the_queue_is_counted_up_to_a_thousand_and_its_oldest_is_told(page: Client) -> None:
    assert "The queue is empty" in page.get("/account").content.decode()
    waiting(1_000)
    assert "1,000 in the queue, oldest 10 min" in page.get("/account").content.decode()
    waiting(2)
    assert "1,000+ in the queue, oldest 10 min" in page.get("/account").content.decode()


def test_a_viewer_sees_no_link_that_leads_nowhere_and_reads_the_instances_settings(viewer: User) -> None:
    client = Client()
    client.force_login(viewer)
    text = client.get("/instance").content.decode()
    assert "Only an administrator can change these." in text
    assert 'href="/tokens"' not in text
    assert 'href="/audit"' in text
    assert 'type="submit">Save<' not in text


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
