"""Alerts, their rules and settings over the API."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from postroom.flow.alerts.alert_rules import rules_in_order
from postroom.policy.alert_kinds import KINDS
from postroom.store.models import Alert, AlertRule, AuditEntry, DomainWatch

from .conftest import Call

RULES, ALERTS, SETTINGS = "/api/v1/alert-rules", "/api/v1/alerts", "/api/v1/alert-settings"


def alert(**values: Any) -> Alert:
    rules_in_order()
    now = timezone.now()
    return Alert.objects.create(**{
        "rule_id": "disk-low", "kind": "disk-low", "severity": "critical", "opened_at": now, "seen_at": now,
        "title": [{"pattern": "Only {free} MB are left on the disk", "values": {"free": 5}}], **values,
    })


def test_every_kind_is_listed_with_what_can_be_set(reader: Call) -> None:
    listed = reader("get", RULES).json()["alert_rules"]
    assert [rule["id"] for rule in listed] == list(KINDS)
    queue = next(rule for rule in listed if rule["id"] == "queue-old")
    assert (queue["enabled"], queue["severity"], queue["settings"]) == (True, "critical", {"minutes": 30})
    assert queue["parameters"][0]["name"] == "minutes"


def test_a_rule_is_changed_added_and_removed_and_each_is_audited(admin: Call) -> None:
    changed = admin("patch", f"{RULES}/queue-old", {"settings": {"minutes": 120}, "addresses": ["Ops@example.org"]})
    assert changed.json()["settings"] == {"minutes": 120}
    assert changed.json()["addresses"] == ["Ops@example.org"]
    assert admin("patch", f"{RULES}/queue-old", {"enabled": False}).json()["settings"] == {"minutes": 120}
    made = admin("post", RULES, {"kind": "queue-old", "name": "Very old mail", "settings": {"minutes": 600}})
    assert (made.status_code, made.json()["title"], made.json()["built_in"]) == (201, "Very old mail", False)
    assert admin("get", f"{RULES}/{made.json()['id']}").json()["severity"] == "critical"
    assert admin("delete", f"{RULES}/{made.json()['id']}").status_code == 204
    assert admin("delete", f"{RULES}/queue-old").status_code == 409
    actions = list(AuditEntry.objects.filter(action__startswith="alert-rule.").order_by("pk"))
    assert [entry.action.rpartition(".")[2] for entry in actions] == ["change", "change", "add", "remove"]
    assert actions[0].changes["settings"] == [{"minutes": 30}, {"minutes": 120}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "weather"}, "kind"), ({}, "kind"),
        ({"kind": "queue-old", "settings": {"minutes": -1}}, "settings.minutes"),
        ({"kind": "queue-old", "settings": {"days": 1}}, "settings.days"),
        ({"kind": "queue-old", "settings": {"minutes": "5"}}, "settings.minutes"),
        ({"kind": "queue-old", "addresses": ["nobody"]}, "addresses"), ({"kind": "queue-old", "name": "a\nb"}, "name"),
        ({"kind": "queue-old", "severity": "loud"}, "severity"), ({"kind": "queue-old", "sound": 1}, "sound"),
    ],
)
def test_what_is_wrong_with_a_rule_is_named(admin: Call, body: dict[str, Any], field: str) -> None:
    answer = admin("post", RULES, body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not AlertRule.objects.filter(built_in=False).exists()


def test_open_alerts_are_listed_and_closed_ones_where_asked_for(reader: Call) -> None:
    closed, opened = alert(closed_at=timezone.now()), alert()
    (shown,) = reader("get", ALERTS).json()["alerts"]
    assert (shown["id"], shown["title"]) == (opened.pk, "Only 5 MB are left on the disk")
    assert [row["id"] for row in reader("get", f"{ALERTS}?state=closed").json()["alerts"]] == [closed.pk]
    page = reader("get", f"{ALERTS}?state=all&limit=1").json()
    assert [row["id"] for row in page["alerts"]] == [opened.pk]
    rest = reader("get", f"{ALERTS}?state=all&before={page['next_before']}").json()
    assert [row["id"] for row in rest["alerts"]] == [closed.pk]
    assert reader("get", f"{ALERTS}?state=all&severity=warning").json()["alerts"] == []
    assert reader("get", f"{ALERTS}/{opened.pk}").json()["closed_at"] is None


def test_an_alert_is_acknowledged_with_a_note_and_by_whom(admin: Call) -> None:
    row = alert()
    answer = admin("post", f"{ALERTS}/{row.pk}/acknowledge", {"note": "on it"})
    assert (answer.status_code, answer.json()["acknowledged_by"], answer.json()["note"]) == (
        200, "API token Admin", "on it"
    )
    Alert.objects.update(closed_at=timezone.now())
    assert admin("post", f"{ALERTS}/{row.pk}/acknowledge", {}).status_code == 409


def test_a_change_of_dns_is_accepted_and_nothing_else_is(admin: Call) -> None:
    now = timezone.now()
    DomainWatch.objects.create(
        domain="example.org", baseline={"spf": {"status": "ok", "record": "v=spf1 -all", "slug": "x"}},
        baseline_at=now - timedelta(days=1), seen={"spf": {"status": "bad", "record": "", "slug": "y"}}, seen_at=now,
    )
    row = alert(rule_id="domain-drift", kind="domain-drift", key="example.org")
    assert admin("post", f"{ALERTS}/{row.pk}/accept").status_code == 200
    assert DomainWatch.objects.get().baseline["spf"]["status"] == "bad"
    assert admin("post", f"{ALERTS}/{row.pk}/accept").status_code == 409
    assert admin("post", f"{ALERTS}/{alert().pk}/accept").status_code == 409


def test_settings_are_read_and_changed_in_parts(admin: Call, reader: Call) -> None:
    assert reader("get", SETTINGS).json() == {
        "addresses": [], "digest_minutes": 10, "remind_hours": 24, "escalate_minutes": 0, "escalate_to": [],
        "quiet_from": "", "quiet_until": "", "tell_closed": True,
    }
    night = {"quiet_from": "22:00", "quiet_until": "06:30"}
    changed = admin("patch", SETTINGS, {**night, "addresses": ["ops@example.org"]})
    assert changed.status_code == 200
    assert admin("patch", SETTINGS, {"digest_minutes": 0}).json()["quiet_until"] == "06:30"
    assert AuditEntry.objects.filter(action="alert-settings.change").count() == 2
    refused = admin("patch", SETTINGS, {"quiet_until": ""})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "quiet_until")


def test_a_rule_is_set_back_to_what_its_kind_is(admin: Call) -> None:
    changed = admin("patch", f"{RULES}/secret-old", {"enabled": True, "settings": {"days": 100}}).json()
    assert (changed["enabled"], changed["settings"]) == (True, {"days": 100})
    reset = admin("post", f"{RULES}/secret-old/reset").json()
    assert (reset["enabled"], reset["settings"]) == (False, {"days": 365})
    assert admin("post", f"{RULES}/none/reset").status_code == 404
