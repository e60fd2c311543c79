"""Configuring a server: tested before saved, and a password that never follows a changed destination (T4)."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from postroom.flow.servers import configure
from postroom.flow.servers.configure import NotPossible, SettingsRefused
from postroom.flow.servers.server_order import set_default
from postroom.flow.servers.server_pause import set_enabled
from postroom.flow.servers.test_result import record_test_result
from postroom.store.models import AuditEntry, Delivery, Message, ServerTest, SmtpServer
from postroom.store.vault import VaultError
from postroom.terms.outcome import DeliveryState, TestStatus
from postroom.terms.server import Auth, Security, ServerSettings

pytestmark = pytest.mark.django_db

PASSWORD = "Canary-9d1e-password"
ACTOR = "marta@company.example"
SETTINGS = ServerSettings(
    name="Submission", from_address="reports@company.example", host="smtp.company.example", port=587,
    security=Security.STARTTLS, auth=Auth.PASSWORD, username="reports@company.example",
    test_recipient="marta@company.example",
)


@dataclass
class Report:
    """What flow/probes/probe reports, as far as it is stored."""

    status: TestStatus = TestStatus.PASSED
    stages: list[dict[str, Any]] = field(default_factory=list)
    transcript: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    finding: None = None


def started(settings: ServerSettings = SETTINGS, **changes: Any) -> ServerTest:
    values = {"password": PASSWORD, "based_on": None, "server": None, "send": True, "actor": ACTOR, **changes}
    return configure.start_test(settings, **values)


def passed(test: ServerTest, status: TestStatus = TestStatus.PASSED) -> ServerTest:
    record_test_result(test, Report(status))
    return ServerTest.objects.get(pk=test.pk)


def saved(settings: ServerSettings = SETTINGS) -> SmtpServer:
    return configure.save_tested(passed(started(settings)), make_default=True, actor=ACTOR)


def refused_fields(call: Any, *args: Any, **kwargs: Any) -> list[str]:
    with pytest.raises(SettingsRefused) as refusal:
        call(*args, **kwargs)
    return [problem.field for problem in refusal.value.problems]


def test_a_server_saved_after_a_passed_test_is_verified_and_default() -> None:
    server = saved()
    assert (server.state, server.is_default, server.verified_by) == ("verified", True, ACTOR)
    assert configure.unsealed_password(server) == PASSWORD


def test_a_test_that_failed_or_sent_no_mail_saves_nothing() -> None:
    for test in (passed(started(), TestStatus.FAILED), passed(started(send=False))):
        with pytest.raises(NotPossible, match="live test"):
            configure.save_tested(test, make_default=False, actor=ACTOR)
    assert not SmtpServer.objects.exists()


def test_a_server_saved_without_a_test_takes_no_deliveries_unless_that_is_asked_for_with_a_reason() -> None:
    values = {"password": PASSWORD, "based_on": None, "server": None, "actor": ACTOR}
    server = configure.save_untested(SETTINGS, reason="the firewall opens on Monday", **values)
    assert (server.state, server.takes_deliveries) == ("unverified", False)
    other = SETTINGS.changed(name="Other")
    assert refused_fields(configure.save_untested, other, reason=" ", use_unverified=True, **values) == ["reason"]
    assert configure.save_untested(other, reason="no test mailbox", use_unverified=True, **values).takes_deliveries


DESTINATION_CHANGES: list[dict[str, Any]] = [
    {"host": "capture.example"},
    {"port": 2525},
    {"security": "none"},
    {"security": "tls"},
    {"verify_certificate": False},
    {"username": "other@company.example"},
    {"allow_plain_auth": True},
]


@pytest.mark.parametrize("change", DESTINATION_CHANGES, ids=lambda change: next(iter(change)))
def test_t4_a_changed_destination_demands_the_password_again(change: dict[str, Any]) -> None:
    server = saved()
    assert refused_fields(configure.change_server, server, change, actor=ACTOR) == ["password"]
    changed = ServerSettings.from_json({**server.settings, **change})
    assert refused_fields(started, changed, password=None, based_on=server, server=server) == ["password"]
    assert SmtpServer.objects.get(pk=server.pk).settings == server.settings


@pytest.mark.parametrize("change", DESTINATION_CHANGES, ids=lambda change: next(iter(change)))
def test_t4_a_password_moved_by_hand_in_the_database_does_not_open(change: dict[str, Any]) -> None:
    server = saved()
    server.settings = {**server.settings, **change}
    server.save()
    with pytest.raises(VaultError, match="other settings"):
        configure.unsealed_password(server)


def test_changing_words_keeps_the_password_and_the_proof() -> None:
    server = saved()
    words = {"description": "for reports", "subject_prefix": "[N]", "from_name": "N", "test_recipient": "a@b.example"}
    changed = configure.change_server(server, {**words, "name": "Renamed"}, actor=ACTOR)
    assert (changed.state, configure.unsealed_password(changed)) == ("verified", PASSWORD)


@pytest.mark.parametrize("change", [{"from_address": "x@company.example"}, {"ehlo_name": "host.company.example"}])
def test_changing_what_a_test_proved_makes_the_server_unverified(change: dict[str, Any]) -> None:
    server = configure.change_server(saved(), change, actor=ACTOR)
    assert (server.state, server.takes_deliveries) == ("unverified", False)


def test_a_new_password_makes_the_server_unverified_until_it_is_tested() -> None:
    server = configure.change_server(saved(), {}, password="another", actor=ACTOR)
    assert server.state == "unverified"
    test = configure.start_saved_test(server, send=True, actor=ACTOR)
    passed(test)
    assert SmtpServer.objects.get(pk=server.pk).state == "verified"


def test_a_connection_check_verifies_nothing() -> None:
    server = configure.change_server(saved(), {}, password="another", actor=ACTOR)
    passed(configure.start_saved_test(server, send=False, actor=ACTOR))
    assert SmtpServer.objects.get(pk=server.pk).state == "unverified"


def test_a_test_of_settings_changed_meanwhile_verifies_nothing() -> None:
    server = configure.change_server(saved(), {}, password="another", actor=ACTOR)
    test = configure.start_saved_test(server, send=True, actor=ACTOR)
    configure.change_server(server, {"from_address": "new@company.example"}, actor=ACTOR)
    passed(test)
    assert SmtpServer.objects.get(pk=server.pk).state == "unverified"


def test_an_edited_test_lends_its_password_while_the_destination_stays() -> None:
    first = passed(started(), TestStatus.FAILED)
    second = started(SETTINGS.changed(name="Renamed"), password=None, based_on=first)
    assert configure.unsealed_password(second) == PASSWORD
    assert refused_fields(started, SETTINGS.changed(host="b.example"), password=None, based_on=first) == ["password"]


def test_an_anonymous_relay_saves_without_a_fight_and_stores_no_password() -> None:
    relay = SETTINGS.changed(auth=Auth.NONE, security=Security.NONE, port=25)
    test = passed(started(relay, password="typed and not needed"))
    server = configure.save_tested(test, make_default=False, actor=ACTOR)
    assert (server.sealed_password, server.typed_settings.username, server.state) == ("", "", "verified")
    assert configure.unsealed_password(server) is None


def test_a_live_test_needs_a_recipient_and_a_connection_check_does_not() -> None:
    settings = SETTINGS.changed(test_recipient="")
    assert refused_fields(started, settings) == ["test_recipient"]
    assert started(settings, send=False).status == TestStatus.QUEUED


def test_two_servers_cannot_share_a_name() -> None:
    saved()
    assert refused_fields(started, SETTINGS.changed(name="SUBMISSION")) == ["name"]


def test_only_one_server_is_the_default_and_it_takes_deliveries() -> None:
    first = saved()
    second = saved(SETTINGS.changed(name="Second"))
    assert [s.name for s in SmtpServer.objects.filter(is_default=True)] == [second.name]
    set_enabled(first, False, ACTOR)
    with pytest.raises(NotPossible):
        set_default(first, ACTOR)
    set_enabled(first, True, ACTOR)
    set_default(first, ACTOR)
    assert [s.name for s in SmtpServer.objects.filter(is_default=True)] == [first.name]


def deferred(server: SmtpServer) -> Delivery:
    """A delivery that waits an hour for its next attempt."""
    now = timezone.now()
    message = Message.objects.create(
        message_id="<1@company.example>", from_header="", content_digest="0" * 64, content_size=1, created_at=now,
        expires_at=now + timedelta(days=2),
    )
    return Delivery.objects.create(
        message=message, recipient="a@company.example", state=DeliveryState.DEFERRED, server=server,
        due_at=now + timedelta(hours=1), updated_at=now,
    )


@pytest.mark.parametrize("failing", [True, False])
def test_repairing_a_failing_server_sends_at_once_what_waited_for_it(failing: bool) -> None:
    server = saved()
    server.failing_since = timezone.now() if failing else None
    server.save()
    delivery = deferred(server)
    passed(configure.start_saved_test(server, send=True, actor=ACTOR))
    delivery.refresh_from_db()
    assert (delivery.due_at <= timezone.now()) is failing
    assert SmtpServer.objects.get(pk=server.pk).failing_since is None


def test_stopping_a_waiting_test_ends_it_and_a_running_one_is_asked() -> None:
    waiting, running = started(), started(SETTINGS.changed(name="B"))
    ServerTest.objects.filter(pk=running.pk).update(status=TestStatus.RUNNING, started_at=timezone.now())
    for test in (waiting, running):
        configure.stop_test(test, ACTOR)
    waiting.refresh_from_db()
    running.refresh_from_db()
    assert (waiting.status, running.status, running.stop_requested) == (TestStatus.STOPPED, TestStatus.RUNNING, True)


def test_a_server_removed_meanwhile_is_not_brought_back_by_saving_it() -> None:
    server = saved()
    test = ServerTest.objects.select_related("server").get(pk=passed(started(server=server)).pk)
    SmtpServer.objects.filter(pk=server.pk).delete()
    for save in (
        lambda: configure.change_server(server, {"description": "Late"}, actor=ACTOR),
        lambda: configure.save_tested(test, make_default=False, actor=ACTOR),
    ):
        with pytest.raises(NotPossible, match="removed meanwhile"):
            save()
    assert not SmtpServer.objects.exists()


def test_saving_words_keeps_what_somebody_else_changed_meanwhile() -> None:
    server = saved()
    set_enabled(server, False, ACTOR)
    configure.change_server(server, {"description": "Late"}, actor=ACTOR)
    assert not SmtpServer.objects.get().enabled


def test_a_deleted_server_leaves_no_password_behind_in_its_tests() -> None:
    passed(started(password="mistyped"), TestStatus.FAILED)
    server = saved()
    passed(started(SETTINGS.changed(name="Another")))
    configure.delete_server(server, ACTOR)
    kept = ServerTest.objects.exclude(sealed_password="")
    assert [test.settings["name"] for test in kept] == ["Another"]


def test_o2_every_change_is_audited_without_secrets() -> None:
    server = saved()
    configure.change_server(server, {"host": "b.example"}, password="Canary-new", actor=ACTOR)
    set_enabled(server, False, ACTOR)
    configure.delete_server(server, ACTOR)
    entries = list(AuditEntry.objects.order_by("id"))
    actions = ["test.start", "server.save", "server.save", "server.disable", "server.delete"]
    assert [entry.action for entry in entries] == actions
    assert entries[2].changes["host"] == ["smtp.company.example", "b.example"]
    text = "".join(str(entry.changes) for entry in entries)
    assert "Canary" not in text
    assert server.sealed_password not in text
