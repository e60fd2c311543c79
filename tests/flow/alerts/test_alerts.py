"""What is looked at, what opens and closes, and who is told through which server."""

import shutil
from collections import namedtuple
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as site_settings
from django.utils import timezone
from django.utils.translation import override

from postroom.diagnosis.explain import finding_of_cause
from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.alerts.alert_conditions.sender_domains import accept_difference
from postroom.flow.alerts.alert_notices import decide_notices, queue_notices
from postroom.flow.alerts.alert_rules import change_rule, rules_in_order
from postroom.flow.alerts.alert_settings import change_alert_settings
from postroom.flow.alerts.alert_words import said, title_of_alert
from postroom.flow.alerts.alerts import Pace, acknowledge, forget_closed, found_now, look_around, open_alerts
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.servers.configure import save_untested
from postroom.flow.servers.server_health import mark_failing
from postroom.policy.alert_kinds import KINDS
from postroom.policy.alerts import REARM
from postroom.store.blobs import Blobs
from postroom.store.heartbeat import store_heartbeat
from postroom.store.models import (
    Alert,
    AlertNotice,
    AlertRule,
    ApiToken,
    AuditEntry,
    BounceMailbox,
    Delivery,
    DeliveryTally,
    DomainCheck,
    Message,
    QueueSample,
    ReportSource,
    Run,
    SendRate,
    SmtpServer,
    Subscription,
    User,
    Webhook,
)
from postroom.store.outbox import open_outbox
from postroom.store.rates import micros_of
from postroom.terms.server import Limits, Security, ServerSettings

pytestmark = pytest.mark.django_db(transaction=True)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _roomy_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, 10**12))


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def server(name: str = "Relay", **values: Any) -> SmtpServer:
    settings = ServerSettings(
        name=name, from_address=f"reports@{name.lower()}.example", host=f"smtp.{name.lower()}.example", port=25,
        security=values.pop("security", Security.NONE), limits=values.pop("limits", Limits()),
    )
    row = save_untested(
        settings, password=None, based_on=None, server=None, reason="test", use_unverified=True, actor="test"
    )
    SmtpServer.objects.filter(pk=row.pk).update(**values)
    return SmtpServer.objects.get(pk=row.pk)


def failing(row: SmtpServer, since: datetime) -> None:
    mark_failing(row.pk, finding_of_cause("connect-refused-no-listener").as_stored(), "connect", since=since)


def kinds() -> list[str]:
    return sorted(alert.kind for alert in open_alerts())


@pytest.fixture
def administrator() -> User:
    return User.objects.create(email="ann@example.org", name="Ann", role="administrator")


@pytest.fixture
def acceptor(tmp_path: Path) -> Iterator[Acceptor]:
    outbox = open_outbox()
    yield Acceptor(outbox.queue, Blobs(tmp_path / "blobs"))
    outbox.close()


def mailed(acceptor: Acceptor, now: datetime) -> list[Message]:
    decide_notices(now)
    async_to_sync(queue_notices)(acceptor, now)
    return list(Message.objects.order_by("pk"))


def test_every_kind_has_a_rule_from_the_first_start_and_nothing_is_wrong_then(now: datetime) -> None:
    assert look_around(now) == 0
    assert [rule.kind for rule in rules_in_order()] == list(KINDS)
    assert look_around(now) == 0
    assert AlertRule.objects.count() == len(KINDS)


def test_a_server_that_fails_for_minutes_is_an_alert_and_is_over_once_it_stays_well(now: datetime) -> None:
    relay, _other = server(), server("Other")
    failing(relay, now - timedelta(minutes=4))
    assert look_around(now) == 0
    assert look_around(now + timedelta(minutes=2)) == 1
    (alert,) = open_alerts()
    assert (alert.kind, alert.key, alert.severity, alert.subject) == ("server-failing", relay.pk, "critical", "Relay")
    assert title_of_alert(alert) == "Relay is failing"
    SmtpServer.objects.filter(pk=relay.pk).update(failing_since=None, failing_finding=None)
    assert look_around(now + timedelta(minutes=3)) == 1
    assert look_around(now + timedelta(minutes=3) + REARM) == 0
    failing(relay, now)
    look_around(now + 2 * HOUR)
    assert Alert.objects.count() == 2


def test_a_server_that_comes_and_goes_is_one_alert(now: datetime) -> None:
    relay = server()
    server("Other")
    for minute in range(20):
        failing(relay, now - HOUR)
        look_around(now + timedelta(minutes=minute))
        SmtpServer.objects.filter(pk=relay.pk).update(failing_since=None, failing_finding=None)
        look_around(now + timedelta(minutes=minute, seconds=30))
    assert Alert.objects.count() == 1


def test_when_no_server_works_that_is_an_alert_of_its_own(now: datetime) -> None:
    failing(server(), now - HOUR)
    look_around(now)
    assert kinds() == ["server-failing"]
    failing(server("Other"), now - HOUR)
    look_around(now)
    assert kinds() == ["no-server", "server-failing", "server-failing"]


def test_a_look_that_takes_long_is_taken_less_often(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    clock_s, looks = [0.0], []

    def slow(_: Any) -> Usage:
        looks.append(clock_s[0])
        clock_s[0] += 2.0
        return Usage(1, 1, 10**12)

    monkeypatch.setattr(shutil, "disk_usage", slow)
    pace = Pace(lambda: clock_s[0])
    for second in range(0, 600, 15):
        clock_s[0] = max(clock_s[0], float(second))
        look_around(now, pace)
    assert looks == [0.0, 210.0, 420.0]


def test_a_queue_that_is_nearly_full_is_told(now: datetime, settings: Any) -> None:
    settings.QUEUE_LIMIT = 100
    QueueSample.objects.create(at=now - timedelta(minutes=1), queued=80, deferred=9, oldest_s=1)
    assert look_around(now) == 0
    QueueSample.objects.create(at=now, queued=80, deferred=10, oldest_s=1)
    look_around(now)
    assert kinds() == ["quota-near"]


def test_only_the_web_process_notices_that_the_engine_is_missing(now: datetime) -> None:
    store_heartbeat(now - timedelta(minutes=1), "running")
    assert look_around(now, for_web=True) == 0
    assert look_around(now + 5 * timedelta(minutes=1)) == 0
    assert look_around(now + 5 * timedelta(minutes=1), for_web=True) == 1
    assert kinds() == ["engine-missing"]
    store_heartbeat(now + HOUR, "running")
    look_around(now + HOUR, for_web=True)
    assert look_around(now + HOUR + REARM - timedelta(seconds=1), for_web=True) == 1


def waiting(relay: SmtpServer, due_at: datetime) -> None:
    message = Message.objects.create(
        message_id="<x@example.org>", from_header="a@example.org", content_digest="0" * 64, content_size=1,
        server=relay, created_at=due_at, expires_at=due_at + DAY,
    )
    Delivery.objects.create(
        message=message, recipient="bob@example.org", due_at=due_at, updated_at=due_at, server=relay
    )


def test_mail_that_may_leave_and_does_not_is_old_and_mail_for_later_is_not(now: datetime) -> None:
    relay = server()
    waiting(relay, now + HOUR)
    waiting(relay, now - timedelta(minutes=29))
    assert look_around(now) == 0
    waiting(relay, now - timedelta(minutes=31))
    look_around(now)
    (alert,) = open_alerts()
    assert alert.kind == "queue-old"
    assert said(alert.text).startswith("2 deliveries may leave now")


@pytest.mark.parametrize(("failed", "sent", "is_told"), [(19, 0, False), (20, 180, True), (20, 181, False)])
def test_a_cause_that_fails_much_is_an_alert_by_number_and_by_share(
    now: datetime, failed: int, sent: int, is_told: bool
) -> None:
    cell = now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)
    for outcome, cause, attempts in (("failed", "mailbox-unknown", failed), ("sent", "", sent)):
        if attempts:
            DeliveryTally.objects.create(
                width_s=300, starts_at=cell, outcome=outcome, cause=cause, attempts=attempts, server_id="x"
            )
    look_around(now)
    assert [alert.key for alert in open_alerts()] == (["mailbox-unknown"] if is_told else [])


def test_certificates_and_tokens_are_told_before_they_expire_and_become_critical_at_the_end(now: datetime) -> None:
    server(security=Security.TLS, certificate_expires_at=now + 13 * DAY)
    ApiToken.objects.create(name="ERP", scope="send", digest="x", last_used_at=now, expires_at=now + 13 * DAY)
    ApiToken.objects.create(name="Never used", scope="send", digest="y", expires_at=now + 13 * DAY)
    look_around(now)
    assert {(alert.kind, alert.severity) for alert in open_alerts()} == {
        ("certificate-expiring", "warning"), ("token-expiring", "warning")
    }
    look_around(now + 11 * DAY)
    assert {alert.severity for alert in open_alerts()} == {"critical"}
    assert {alert.subject for alert in open_alerts()} == {"Relay", "ERP"}


def test_an_old_password_is_told_only_where_somebody_switched_that_on(now: datetime) -> None:
    server(password_stored_at=now - 400 * DAY)
    assert look_around(now) == 0
    change_rule("secret-old", {"enabled": True}, "test")
    look_around(now)
    assert kinds() == ["secret-old"]


def test_a_daily_limit_that_is_nearly_used_up_is_told(now: datetime) -> None:
    relay = server(limits=Limits(messages_per_day=10))
    quarter = micros_of(now) // (900 * 1_000_000)
    SendRate.objects.create(server=relay, arrival_us=0, quarters=f"{quarter}:9")
    look_around(now)
    assert kinds() == ["quota-near"]


def test_a_disk_that_is_nearly_full_is_told(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12, 5 * 1024 * 1024))
    look_around(now)
    (alert,) = open_alerts()
    assert (alert.kind, title_of_alert(alert)) == ("disk-low", "Only 5 MB are left on the disk")


def test_a_subscription_whose_last_run_failed_is_told_until_one_succeeds(now: datetime) -> None:
    source = ReportSource.objects.create(name="Sales", kind="pushed")
    subscription = Subscription.objects.create(name="Weekly", source=source, list_name="weekly")
    Run.objects.create(subscription=subscription, cause="manual", due_at=now, state="error", problem={
        "slug": "x", "text": "No.", "values": [{"pattern": "No.", "values": {}}], "evidence": "no such table"
    })
    look_around(now)
    (alert,) = open_alerts()
    assert (alert.kind, alert.subject, alert.evidence) == ("subscription-failing", "Weekly", "no such table")
    Run.objects.create(subscription=subscription, cause="retry", due_at=now, state="success")
    look_around(now)
    assert look_around(now + REARM) == 0


def test_what_somebody_has_sent_to_themselves_tells_nothing_of_a_subscription(now: datetime) -> None:
    source = ReportSource.objects.create(name="Sales", kind="pushed")
    subscription = Subscription.objects.create(name="Weekly", source=source, list_name="weekly")
    Run.objects.create(subscription=subscription, cause="manual", due_at=now, state="error", only_to="ann@example.org")
    look_around(now)
    assert kinds() == []
    Run.objects.create(subscription=subscription, cause="schedule", due_at=now, state="error")
    Run.objects.create(subscription=subscription, cause="manual", due_at=now, state="success", only_to="a@example.org")
    look_around(now)
    assert kinds() == ["subscription-failing"]


def test_a_mailbox_that_refuses_and_a_webhook_that_was_paused_are_told(now: datetime) -> None:
    BounceMailbox.objects.create(
        host="imap.example", username="u", fault="login\nno", looked_at=now, fault_since=now - HOUR
    )
    Webhook.objects.create(name="ERP", url="https://erp.example", sealed_secret="x", paused_for="failing")
    Webhook.objects.create(name="Other", url="https://erp.example", sealed_secret="x", paused_for="manual")
    look_around(now)
    assert kinds() == ["bounce-mailbox", "webhook-paused"]


def seen(now: datetime, **parts: tuple[str, str]) -> None:
    told = {name: {"slug": name, "status": status, "record": record} for name, (status, record) in parts.items()}
    check = DomainCheck.objects.filter(finished_at=None).first()
    assert check is not None, "no look was asked for"
    DomainCheck.objects.filter(pk=check.pk).update(result={"parts": told}, started_at=now, finished_at=now)


def test_dns_that_changes_is_told_with_both_records_until_it_is_put_back_or_accepted(now: datetime) -> None:
    server()
    look_around(now)
    seen(now, spf=("ok", "v=spf1 ip4:192.0.2.1 -all"), dmarc=("unknown", ""))
    assert look_around(now) == 0
    DomainCheck.objects.all().delete()
    later = now + DAY
    look_around(later)
    seen(later, spf=("bad", ""), dmarc=("ok", "v=DMARC1; p=none"))
    look_around(later)
    (alert,) = open_alerts()
    assert (alert.kind, alert.key) == ("domain-drift", "relay.example")
    assert "v=spf1 ip4:192.0.2.1 -all" in alert.evidence
    assert accept_difference("relay.example", "test", later)
    look_around(later)
    assert look_around(later + REARM) == 0
    assert AuditEntry.objects.filter(action="domain.accept").exists()


def test_a_rule_that_is_switched_off_closes_its_alerts(now: datetime) -> None:
    relay = server()
    failing(relay, now - HOUR)
    look_around(now)
    change_rule("server-failing", {"enabled": False}, "test")
    look_around(now)
    assert kinds() == []


def test_a_look_that_fails_keeps_no_other_from_warning(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> None:
        raise OSError("gone")

    monkeypatch.setattr(shutil, "disk_usage", broken)
    failing(server(), now - HOUR)
    look_around(now)
    assert kinds() == ["server-failing"]


def test_found_now_changes_nothing(now: datetime) -> None:
    failing(server(), now - HOUR)
    store_heartbeat(now, "running")
    assert {rule.kind for rule, _found in found_now(now)} == {"server-failing"}
    assert not Alert.objects.exists()


def test_an_alert_is_read_in_the_language_of_its_reader(now: datetime) -> None:
    failing(server(), now - HOUR)
    look_around(now)
    alert = Alert.objects.get(kind="server-failing")
    with override("fr"):
        french = said(alert.text)
    assert french != said(alert.text)


def test_a_closed_alert_cannot_be_acknowledged_and_goes_after_its_time(now: datetime) -> None:
    rules_in_order()
    alert = Alert.objects.create(
        rule_id="disk-low", kind="disk-low", severity="critical", opened_at=now - 9 * DAY, seen_at=now,
        closed_at=now - 8 * DAY,
    )
    with pytest.raises(NotPossible):
        acknowledge(alert.pk, "ann", now)
    AlertNotice.objects.create(address="ann@example.org", created_at=now - 8 * DAY, due_at=now, message_id="x")
    kept = AlertNotice.objects.create(address="ann@example.org", created_at=now, due_at=now, message_id="y")
    assert forget_closed(now - 9 * DAY) == 0
    assert forget_closed(now - DAY) == 2
    assert list(AlertNotice.objects.all()) == [kept]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"quiet_from": "22:00"}, "quiet_until"), ({"quiet_from": "25:00", "quiet_until": "06:00"}, "quiet_from"),
        ({"addresses": ["nobody"]}, "addresses"), ({"digest_minutes": 2_000}, "digest_minutes"),
        ({"escalate_minutes": 5}, "escalate_to"), ({"remind_hours": -1}, "remind_hours"),
    ],
)
def test_settings_that_cannot_be_taken_are_named(values: dict[str, Any], field: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        change_alert_settings(values, "test")
    assert [problem.field for problem in refused.value.problems] == [field]
    assert not AuditEntry.objects.filter(action="alert-settings.change").exists()


def test_the_data_directory_is_the_one_that_is_looked_at(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def usage(path: Any) -> Usage:
        asked.append(path)
        return Usage(1, 1, 10**12)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    look_around(now)
    assert asked == [site_settings.DATA_DIR]
