"""Mail about alerts: who is told what, when, and through which server; what can't be queued is tried again."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.flow.alerts.test_alerts import (
    DAY,
    HOUR,
    _roomy_disk,
    acceptor,
    administrator,
    failing,
    mailed,
    now,
    server,
)
from tests.outbox import octets_of

from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.alerts.alert_rules import add_rule, change_rule, remove_rule
from postroom.flow.alerts.alert_settings import change_alert_settings
from postroom.flow.alerts.alerts import acknowledge, look_around, open_alerts
from postroom.policy.alerts import REARM
from postroom.store.models import Alert, AlertNotice, ApiToken, AuditEntry, IdempotencyKey, SmtpServer, User
from postroom.terms.server import Security

__all__ = ["_roomy_disk", "acceptor", "administrator", "now"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_administrators_are_told_through_another_server_than_the_one_it_is_about(
    now: datetime, acceptor: Acceptor, administrator: User, tmp_path: Path
) -> None:
    relay, other = server(), server("Other")
    failing(relay, now - HOUR)
    look_around(now)
    (message,) = mailed(acceptor, now)
    assert (message.server_id, message.pinned, message.purpose, message.priority) == (other.pk, True, "alert", 10)
    assert list(message.deliveries.values_list("recipient", flat=True)) == [administrator.email]
    assert message.subject == "[Postroom] Relay is failing"
    octets = octets_of(message, tmp_path / "blobs").decode()
    assert f"/alerts/{Alert.objects.get().pk}" in octets
    assert len(mailed(acceptor, now + timedelta(seconds=5))) == 1


def test_warnings_leave_together_as_one_digest_and_the_end_is_told(
    now: datetime, acceptor: Acceptor, administrator: User
) -> None:
    server(security=Security.TLS, certificate_expires_at=now + 10 * DAY)
    ApiToken.objects.create(name="ERP", scope="send", digest="x", last_used_at=now, expires_at=now + 10 * DAY)
    look_around(now)
    assert mailed(acceptor, now) == []
    (digest,) = mailed(acceptor, now + timedelta(minutes=10))
    assert digest.subject == "[Postroom] 2 alerts"
    ApiToken.objects.update(expires_at=None)
    look_around(now + timedelta(minutes=11))
    look_around(now + timedelta(minutes=11) + REARM)
    over = mailed(acceptor, now + 2 * HOUR)[-1]
    assert over.subject == "[Postroom] Over: The API token ERP expires on " + f"{now + 10 * DAY:%Y-%m-%d}"
    assert list(over.deliveries.values_list("recipient", flat=True)) == [administrator.email]


def test_an_acknowledged_alert_reminds_nobody_and_others_do(
    now: datetime, acceptor: Acceptor, administrator: User
) -> None:
    failing(server(), now - HOUR)
    look_around(now)
    assert len(mailed(acceptor, now)) == 1
    assert len(mailed(acceptor, now + DAY)) == 2
    (alert,) = open_alerts()
    acknowledge(alert.pk, administrator.email, now + DAY, "on it")
    assert len(mailed(acceptor, now + 3 * DAY)) == 2
    assert AuditEntry.objects.filter(action="alert.acknowledge", actor=administrator.email).exists()


def test_what_nobody_acknowledges_is_told_to_others(now: datetime, acceptor: Acceptor, administrator: User) -> None:
    change_alert_settings({"escalate_minutes": 30, "escalate_to": ["boss@example.org"]}, administrator.email)
    failing(server(), now - HOUR)
    look_around(now)
    mailed(acceptor, now)
    told = mailed(acceptor, now + timedelta(minutes=30))
    assert [row.deliveries.get().recipient for row in told] == [administrator.email, "boss@example.org"]
    assert told[-1].subject == "[Postroom] Nobody has acknowledged: Relay is failing"


def test_what_was_escalated_as_a_warning_is_escalated_again_once_it_is_critical(
    now: datetime, acceptor: Acceptor, administrator: User
) -> None:
    change_alert_settings({"escalate_minutes": 30, "escalate_to": ["boss@example.org"]}, administrator.email)
    change_rule("queue-old", {"enabled": False}, "test")
    server(security=Security.TLS, certificate_expires_at=now + 10 * DAY)
    look_around(now)
    mailed(acceptor, now + timedelta(minutes=10))
    mailed(acceptor, now + HOUR)
    SmtpServer.objects.update(certificate_expires_at=now + DAY)
    look_around(now + 2 * HOUR)
    assert [(alert.kind, alert.severity) for alert in open_alerts()] == [("certificate-expiring", "critical")]
    mailed(acceptor, now + 2 * HOUR)
    told = mailed(acceptor, now + 3 * HOUR)
    assert [row.deliveries.get().recipient for row in told] == [administrator.email, "boss@example.org"] * 2


def test_one_critical_alert_takes_no_warning_along_to_others_in_quiet_hours(
    now: datetime, acceptor: Acceptor, administrator: User
) -> None:
    night = now.replace(hour=23, minute=0)
    change_alert_settings({"quiet_from": "22:00", "quiet_until": "06:00"}, administrator.email)
    change_rule("certificate-expiring", {"addresses": ["ops@example.org"]}, "test")
    relay = server(security=Security.TLS, certificate_expires_at=night + 10 * DAY)
    failing(relay, night - HOUR)
    server("Other")
    look_around(night)
    assert len(open_alerts()) == 2
    told = mailed(acceptor, night + HOUR)
    assert [row.deliveries.get().recipient for row in told] == [administrator.email]
    told = mailed(acceptor, night + 8 * HOUR)
    assert "ops@example.org" in [row.deliveries.get().recipient for row in told]


def test_a_mail_that_was_put_off_is_not_sent_about_alerts_that_went_with_their_rule(
    now: datetime, acceptor: Acceptor, administrator: User
) -> None:
    del administrator
    rule = add_rule("disk-low", {"settings": {"megabytes": 10_000_000}}, "test")
    change_rule("disk-low", {"enabled": False}, "test")
    SmtpServer.objects.update(enabled=False)
    look_around(now)
    assert mailed(acceptor, now) == []
    remove_rule(rule.pk, "test")
    server()
    assert mailed(acceptor, now + HOUR) == []
    assert not AlertNotice.objects.exists()


def test_a_rule_s_own_addresses_are_told_and_nobody_else(
    now: datetime, acceptor: Acceptor, administrator: User
) -> None:
    del administrator
    change_rule("disk-low", {"addresses": ["ops@example.org"], "settings": {"megabytes": 10_000_000}}, "test")
    server()
    look_around(now)
    assert [row.deliveries.get().recipient for row in mailed(acceptor, now)] == ["ops@example.org"]


def test_a_mail_that_was_queued_before_a_crash_is_not_queued_again(
    now: datetime, acceptor: Acceptor, administrator: User
) -> None:
    del administrator
    failing(server(), now - HOUR)
    look_around(now)
    assert len(mailed(acceptor, now)) == 1
    # As if the process had been killed before it could note what it had queued; the text is another one by now.
    AlertNotice.objects.update(message_id="")
    Alert.objects.update(subject="Other", title=[{"pattern": "Other", "values": {}}])
    assert len(mailed(acceptor, now)) == 1
    assert AlertNotice.objects.get().message_id == IdempotencyKey.objects.get().message_id


def test_a_mail_that_cannot_be_queued_says_why_and_is_tried_again(
    now: datetime, acceptor: Acceptor, administrator: User
) -> None:
    del administrator
    change_rule("disk-low", {"settings": {"megabytes": 10_000_000}}, "test")
    SmtpServer.objects.update(enabled=False)
    look_around(now)
    assert mailed(acceptor, now) == []
    notice = AlertNotice.objects.get()
    assert notice.fault
    assert now < notice.due_at <= now + HOUR
    server()
    assert len(mailed(acceptor, notice.due_at)) == 1
    assert AlertNotice.objects.get().fault == ""
