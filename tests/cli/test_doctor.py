"""`postroom doctor`, `postroom alert` and `postroom notify`."""

import argparse
import io
import json
import shutil
from collections import namedtuple
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from postroom.cli import alert, doctor, notify
from postroom.flow.alerts import doctor as examining
from postroom.flow.alerts.alerts import look_around
from postroom.flow.servers.configure import save_untested
from postroom.store.heartbeat import store_heartbeat
from postroom.store.models import Alert, AlertRule, AuditEntry, Message, SmtpServer
from postroom.terms.server import Auth, Security, ServerSettings

pytestmark = pytest.mark.django_db(transaction=True)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands stand on this test process's database, and nothing is wrong."""
    for module in (alert, doctor, notify):
        monkeypatch.setattr(module, "open_instance", lambda _: True)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, 10**12))
    store_heartbeat(timezone.now(), "running")


def run(module: ModuleType, *words: str) -> int:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(words)))


def relay(**settings_given: object) -> SmtpServer:
    values = ServerSettings(
        name="Relay", from_address="a@example.org", host="smtp.example.org", port=25,
        **{"security": Security.NONE, **settings_given},  # type: ignore[arg-type]
    )
    return save_untested(
        values, password="secret-canary" if "auth" in settings_given else None, based_on=None, server=None,
        reason="test", use_unverified=True, actor="test",
    )


def test_the_doctor_ends_well_where_nothing_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(doctor) == 0
    assert capsys.readouterr().out == "Nothing is wrong.\n"


def test_the_doctor_names_what_is_wrong_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    store_heartbeat(timezone.now() - timedelta(hours=1), "running")
    assert run(doctor) == 1
    told = capsys.readouterr().out
    assert told.startswith("critical  Delivery is not running\n")
    assert "1. Start it with: postroom run" in told
    assert told.endswith("1 thing is wrong.\n")
    assert not Alert.objects.exists()


def test_the_doctor_tells_programs_in_json_and_may_pass_over_warnings(
    capsys: pytest.CaptureFixture[str]
) -> None:
    row = relay(security=Security.TLS)
    SmtpServer.objects.filter(pk=row.pk).update(certificate_expires_at=timezone.now() + timedelta(days=10))
    assert run(doctor, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], [one["kind"] for one in document["complaints"]]) == (False, ["certificate-expiring"])
    assert run(doctor, "--json", "--critical") == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_the_doctor_tells_a_password_whose_key_is_gone_and_not_the_password(
    capsys: pytest.CaptureFixture[str]
) -> None:
    row = relay(auth=Auth.PASSWORD, username="u", security=Security.TLS)
    SmtpServer.objects.filter(pk=row.pk).update(sealed_password="damaged")
    assert run(doctor) == 1
    told = capsys.readouterr().out
    assert "The password of Relay can't be opened" in told
    assert "secret-canary" not in told


def test_the_doctor_survives_a_database_that_does_not_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> bool:
        raise OperationalError("connection refused")

    monkeypatch.setattr(examining, "is_current", refused)
    assert run(doctor) == 1
    assert "The database does not answer" in capsys.readouterr().out
    monkeypatch.setattr(examining, "is_current", lambda: False)
    assert run(doctor) == 1
    assert "postroom migrate" in capsys.readouterr().out


def test_the_doctor_tells_a_data_directory_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "DATA_DIR", Path("/proc/1"))
    monkeypatch.setattr(examining.os, "access", lambda *_: False)
    assert run(doctor) == 1
    assert "The data directory can't be written" in capsys.readouterr().out


def test_alerts_are_listed_and_acknowledged(capsys: pytest.CaptureFixture[str]) -> None:
    store_heartbeat(timezone.now() - timedelta(hours=1), "running")
    look_around(timezone.now(), for_web=True)
    assert run(alert, "list") == 0
    assert "  open          critical  Delivery is not running" in capsys.readouterr().out
    row = Alert.objects.get()
    assert run(alert, "acknowledge", row.pk, "--note", "on it") == 0
    assert run(alert, "acknowledge", "nothing") == 1
    capsys.readouterr()
    assert run(alert, "list", "--json", "--all") == 0
    (told,) = json.loads(capsys.readouterr().out)["alerts"]
    assert (told["acknowledged_by"], told["note"]) == ("command line", "on it")


def test_a_rule_is_changed_and_a_wrong_value_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("queue-old", "minutes=60", "--severity", "warning", "--to", "ops@example.org", "--off")
    assert run(alert, "set", *words) == 0
    rule = AlertRule.objects.get(pk="queue-old")
    assert (rule.settings, rule.severity, rule.enabled, rule.addresses) == (
        {"minutes": 60}, "warning", False, ["ops@example.org"]
    )
    assert run(alert, "set", "queue-old", "minutes=x") == 2
    assert run(alert, "set", "queue-old", "days=1") == 2
    assert run(alert, "set", "weather", "--on") == 1
    assert "settings.days: There is no such setting" in capsys.readouterr().err
    assert run(alert, "rules") == 0
    assert "queue-old                   off  warning   Mail waits too long  minutes=60" in capsys.readouterr().out
    assert AuditEntry.objects.get(action="alert-rule.change").actor == "command line"


def test_a_job_is_told_with_its_log_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    relay()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"one\ntwo\n")))
    words = ("--job", "Import", "--outcome", "error", "--to", "ann@example.org")
    assert run(notify, *words, "--log", "-", "--idempotency-key", "import-7") == 0
    message = Message.objects.get()
    assert capsys.readouterr().out == f"{message.pk}\n"
    assert (message.subject, [a["filename"] for a in message.attachments]) == ("Import failed", ["Import.log"])


def test_a_notification_to_nobody_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(notify, "--job", "Import", "--outcome", "error") == 1
    assert "recipients: Name at least one recipient" in capsys.readouterr().err
    assert run(notify, "--job", "Import", "--outcome", "error", "--log", "/nowhere/x") == 2


def test_a_rule_is_set_back_by_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(alert, "rules") == 0
    assert run(alert, "set", "secret-old", "days=100", "--on") == 0
    assert run(alert, "reset", "secret-old") == 0
    assert capsys.readouterr().out.endswith("secret-old: off\n")
    assert run(alert, "reset", "none") == 1
