"""The pages Alerts and Alert rules, and the banner on every page."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from postroom.flow.alerts.alert_rules import rules_in_order
from postroom.flow.alerts.alert_settings import alert_settings
from postroom.store.models import Alert, AlertNotice, AlertRule, AuditEntry, DomainWatch, User, Webhook

MARKUP = "<script>alert(1)</script>"


def alert(**values: Any) -> Alert:
    rules_in_order()
    now = timezone.now()
    return Alert.objects.create(**{
        "rule_id": "disk-low", "kind": "disk-low", "severity": "critical", "opened_at": now, "seen_at": now,
        "title": [{"pattern": "Only {free} MB are left on the disk", "values": {"free": 5}}],
        "text": [{"pattern": "A full disk refuses new mail; what was accepted still leaves.", "values": {}}],
        "link": "/storage", **values,
    })


def text_of(page: Client, address: str, **fields: str) -> str:
    answer = page.get(address, headers=fields)
    assert answer.status_code == 200
    return answer.content.decode()


def test_every_page_says_that_something_is_wrong_until_somebody_takes_it_on(page: Client) -> None:
    assert "pr-alert-banner" not in text_of(page, "/")
    row = alert()
    alert(rule_id="queue-old", kind="queue-old", severity="warning")
    shown = text_of(page, "/queue")
    assert "Only 5 MB are left on the disk" in shown
    assert "and 1 other alert" in shown
    assert "2 alerts" in shown
    assert "pr-alert-banner" not in text_of(page, "/alerts")
    assert page.post(f"/alerts/{row.pk}/acknowledge", {"note": "on it"}).status_code == 302
    page.post(f"/alerts/{Alert.objects.get(kind='queue-old').pk}/acknowledge", {"from": "list"})
    assert "pr-alert-banner" not in text_of(page, "/queue")
    assert AuditEntry.objects.filter(action="alert.acknowledge").count() == 2


def test_an_empty_page_says_so_and_where_alerts_go(page: Client, administrator: User) -> None:
    shown = text_of(page, "/alerts")
    assert "Nothing is wrong" in shown
    assert administrator.email in shown
    assert "No alert has closed yet" in text_of(page, "/alerts?tab=history")


def test_the_list_shows_what_to_do_and_the_part_for_htmx_is_the_list_alone(page: Client) -> None:
    alert(fix=[[{"pattern": "Free some room.", "values": {}}]])
    Webhook.objects.create(name="ERP", url="https://erp.example", sealed_secret="x", events=["alert.opened"])
    shown = text_of(page, "/alerts")
    for part in ("Only 5 MB are left on the disk", "Free some room.", 'href="/storage"', "ERP"):
        assert part in shown
    part = text_of(page, "/alerts", **{"HX-Request": "true"})
    assert "<html" not in part
    assert 'id="alerts-open"' in part


def test_an_alert_s_page_shows_who_was_told_and_what_others_said_as_text(page: Client) -> None:
    row = alert(evidence=MARKUP, subject=MARKUP)
    now = timezone.now()
    news = [{"alert": row.pk, "event": "opened"}]
    AlertNotice.objects.create(address="ann@example.org", news=news, created_at=now, due_at=now, message_id="M1")
    stuck = "The disk is full."
    AlertNotice.objects.create(address="bob@example.org", news=news, created_at=now, due_at=now, fault=stuck)
    shown = text_of(page, f"/alerts/{row.pk}")
    assert MARKUP not in shown
    for part in ("ann@example.org", "/messages/M1", "bob@example.org", "The disk is full."):
        assert part in shown


def test_closed_alerts_are_the_history_by_pages(page: Client) -> None:
    now = timezone.now()
    for number in range(51):
        alert(closed_at=now, title=[{"pattern": f"Number {number:03}", "values": {}}])
    first = text_of(page, "/alerts?tab=history")
    assert "Number 050" in first
    assert "Number 000" not in first
    older = first.split('rel="next"')[0].rpartition('href="?')[2].rstrip('" ').replace("&amp;", "&")
    assert "Number 000" in text_of(page, f"/alerts?{older}")


def test_a_change_of_dns_is_accepted_on_its_page(page: Client) -> None:
    now = timezone.now()
    DomainWatch.objects.create(
        domain="example.org", baseline={"spf": {"status": "ok", "record": "v=spf1 -all", "slug": "x"}},
        baseline_at=now - timedelta(days=1), seen={"spf": {"status": "bad", "record": "", "slug": "y"}}, seen_at=now,
    )
    row = alert(rule_id="domain-drift", kind="domain-drift", key="example.org")
    assert "Accept what the DNS says now" in text_of(page, f"/alerts/{row.pk}")
    assert page.post(f"/alerts/{row.pk}/accept").status_code == 302
    assert DomainWatch.objects.get().baseline == DomainWatch.objects.get().seen


def test_rules_are_listed_switched_changed_and_set_back(page: Client) -> None:
    shown = text_of(page, "/alert-rules")
    assert "Mail waits too long" in shown
    assert page.post("/alert-rules/queue-old/switch", {"enabled": "no"}).status_code == 302
    assert not AlertRule.objects.get(pk="queue-old").enabled
    values = {"settings.minutes": "90", "severity": "warning", "addresses": "ops@example.org", "name": "Late mail"}
    assert page.post("/alert-rules/queue-old", values).status_code == 302
    row = AlertRule.objects.get(pk="queue-old")
    assert (row.settings, row.severity, row.addresses, row.name, row.enabled) == (
        {"minutes": 90}, "warning", ["ops@example.org"], "Late mail", True
    )
    assert "Set back" in text_of(page, "/alert-rules/queue-old")
    assert page.post("/alert-rules/queue-old/remove").status_code == 302
    assert AlertRule.objects.get(pk="queue-old").settings == {"minutes": 30}


def test_a_rule_of_one_s_own_is_added_and_removed(page: Client) -> None:
    assert "Choose" in text_of(page, "/alert-rules/new")
    assert "Once it has lasted this many minutes" in text_of(page, "/alert-rules/new?kind=queue-old")
    body = {"kind": "queue-old", "settings.minutes": "600", "severity": "critical", "name": "Very late"}
    assert page.post("/alert-rules/new", body).status_code == 302
    row = AlertRule.objects.get(built_in=False)
    assert (row.kind, row.name, row.settings) == ("queue-old", "Very late", {"minutes": 600})
    assert page.post(f"/alert-rules/{row.pk}/remove").status_code == 302
    assert not AlertRule.objects.filter(built_in=False).exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"settings.minutes": "many"}, "settings.minutes"), ({"addresses": "nobody"}, "addresses"),
        ({"severity": ""}, "severity"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_beside_the_field_and_nothing_typed_is_lost(
    page: Client, values: dict[str, str], field: str
) -> None:
    body = {"settings.minutes": "45", "severity": "critical", "addresses": "ann@example.org", "name": "Mine", **values}
    answer = page.post("/alert-rules/queue-old", body)
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert f'href="#f-{field}"' in shown
    assert f'id="e-{field}"' in shown
    assert 'value="Mine"' in shown


def test_who_is_told_is_saved_and_what_is_wrong_is_named(page: Client) -> None:
    body = {
        "addresses": "ops@example.org\nann@example.org", "digest_minutes": "5", "remind_hours": "12",
        "escalate_minutes": "60", "escalate_to": "boss@example.org", "quiet_from": "22:00", "quiet_until": "06:00",
        "tell_closed": "on",
    }
    assert page.post("/alert-rules/settings", body).status_code == 302
    assert alert_settings().addresses == ("ops@example.org", "ann@example.org")
    assert alert_settings().telling.quiet is not None
    refused = page.post("/alert-rules/settings", {**body, "quiet_until": "", "remind_hours": "x"})
    assert refused.status_code == 422
    shown = refused.content.decode()
    assert 'id="e-quiet_until"' in shown
    assert 'id="e-remind_hours"' in shown
    assert alert_settings().remind_hours == 12


def test_a_viewer_reads_everything_and_has_no_buttons(viewer: User) -> None:
    row = alert()
    client = Client()
    client.force_login(viewer)
    for path in ("/alerts", f"/alerts/{row.pk}", "/alert-rules"):
        shown = text_of(client, path)
        assert "acknowledge" not in shown
        assert "/switch" not in shown
