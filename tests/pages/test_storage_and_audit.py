"""Storage and retention, and the audit trail."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from tests.house.sources import PACKAGE, python_files

from postroom.flow.instance.retention import Retention, retention
from postroom.pages.queries.audit import ACTIONS
from postroom.store import audit
from postroom.store.models import AuditEntry, InstanceValue, SmtpServer, User


def text_of(page: Client, address: str) -> str:
    answer = page.get(address)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def test_an_administrator_changes_how_long_everything_is_kept(page: Client) -> None:
    typed = {"log_days": "14", "content_days": "7", "message_days": "0", "sandbox_days": "1"}
    answer = page.post("/storage", typed, follow=True)
    assert "Retention saved" in answer.content.decode()
    assert retention() == Retention(14, 7, 0, 1)
    assert "14 " not in text_of(page, "/audit?actor=somebody")
    assert "log_days" in text_of(page, "/audit?action=retention.change")


def test_a_wrong_number_keeps_what_was_typed_and_changes_nothing(page: Client) -> None:
    typed = {"log_days": "fourteen", "content_days": "7", "message_days": "90", "sandbox_days": "7"}
    answer = page.post("/storage", typed)
    assert answer.status_code == 422
    text = answer.content.decode()
    assert 'value="fourteen"' in text
    assert 'href="#f-log_days"' in text
    assert retention() == Retention()


def test_a_viewer_reads_the_numbers_and_can_t_change_them(viewer: User) -> None:
    client = Client()
    client.force_login(viewer)
    text = text_of(client, "/storage")
    assert "Only an administrator can change these" in text
    assert text.count("disabled>") == 4


def test_the_page_shows_what_was_measured(page: Client) -> None:
    assert "Not measured yet" in text_of(page, "/storage")
    measured_at = timezone.now() - timedelta(hours=1)
    value = {"database_bytes": 3 * 2**20, "contents": 1, "measured_at": measured_at.isoformat()}
    InstanceValue.objects.create(name="storage_use", value=value)
    text = text_of(page, "/storage")
    assert "3 MB" in text
    assert "Measured 1 h ago" in text


def test_the_trail_shows_who_changed_what_without_secrets(page: Client, relay: SmtpServer) -> None:
    text = text_of(page, "/audit")
    assert "Marta Keller" in text
    assert "Saved a server" in text
    assert relay.name in text
    assert "secret-canary" not in text


def test_the_trail_is_filtered_and_paged_without_losing_an_entry(page: Client) -> None:
    for number in range(120):
        actor = "ann@x.example" if number % 2 else "bob@x.example"
        audit.record(actor, "server.save", f"S{number}", {"n": [number, None]})
    seen: list[str] = []
    address = "/audit?actor=ann@x.example"
    while True:
        text = text_of(page, address)
        seen += re.findall(r">(S\d+)<", text)
        older = re.search(r'href="(\?[^"]*)" rel="next"', text)
        if older is None:
            break
        address = "/audit" + older.group(1).replace("&amp;", "&")
    assert seen == [f"S{number}" for number in range(119, 0, -2)]
    assert "119 → none" in text_of(page, "/audit")
    assert "No change fits these filters" in text_of(page, "/audit?action=server.pause")


def test_a_new_server_shows_what_it_has_and_a_changed_one_only_what_changed(page: Client) -> None:
    new = {"name": [None, "A"], "username": [None, ""], "limits": [None, {"day": None}]}
    audit.record("x", "server.save", "A", new)
    text = text_of(page, "/audit").replace("Queue and limits", "")
    assert "username" not in text
    assert "limits" not in text
    audit.record("x", "server.save", "A", {"limits": [{"day": None, "minute": 5}, {"day": 90, "minute": 5}]})
    text = text_of(page, "/audit")
    assert "limits.day" in text
    assert "none → 90" in text
    assert "limits.minute" not in text


def test_markup_in_the_trail_is_shown_as_text(page: Client) -> None:
    bad = "<script>alert(1)</script>"
    audit.record(bad, bad, bad, {bad: [bad, {"x": bad}], "message": bad})
    audit.record(bad, "message.read", bad)
    assert bad not in text_of(page, "/audit")
    assert "alert(1)" in text_of(page, "/audit")


def test_every_action_of_the_source_has_its_words() -> None:
    source = "\n".join(path.read_text() for path in python_files(PACKAGE))
    named = set(re.findall(r'audit\.record(?:_each)?\([^"]*?"([a-z]+\.[a-z-]+)"', source))
    assert len(named) > 15
    assert named - set(ACTIONS) == set()


@pytest.mark.parametrize("value", [None, "", True, False, 3, 1.5, ["a", "b"], ["a"], {"a": 1}, [[1], 2]])
def test_details_of_any_kind_are_shown(page: Client, value: Any) -> None:
    AuditEntry.objects.create(actor="x", action="y", subject="z", changes={"v": value})
    assert text_of(page, "/audit")
