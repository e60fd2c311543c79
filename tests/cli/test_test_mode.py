"""`postroom test-mode`: on, shown and off, for the whole site and for one server."""

import argparse
from datetime import timedelta

import pytest
from django.utils import timezone

from postroom.cli import test_mode as command
from postroom.flow.acceptance.test_mode import site_test_mode
from postroom.flow.servers.configure import save_untested
from postroom.store.models import AuditEntry, SmtpServer
from postroom.terms.server import Security, ServerSettings

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command stands on this test process's database."""
    monkeypatch.setattr(command, "open_instance", lambda _: True)


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(words))


def test_the_site_is_put_into_test_mode_and_out_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    until = (timezone.now() + timedelta(hours=2)).replace(microsecond=0)
    assert run("on", "marta@company.example", "--until", until.isoformat()) == 0
    assert "everything goes to marta@company.example" in capsys.readouterr().out
    mode = site_test_mode()
    assert mode is not None
    assert mode.until == until
    assert run("off") == 0
    assert run("off") == 1
    assert run("show") == 0
    assert capsys.readouterr().out == "off\n"
    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"command line"}


def test_one_server_alone(capsys: pytest.CaptureFixture[str]) -> None:
    settings = ServerSettings(
        name="Relay", from_address="reports@company.example", host="smtp.company.example", port=25,
        security=Security.NONE,
    )
    save_untested(
        settings, password=None, based_on=None, server=None, reason="test", use_unverified=True, actor="test"
    )
    assert run("on", "marta@company.example", "--server", "Relay") == 0
    assert SmtpServer.objects.get().test_address == "marta@company.example"
    assert run("show", "--server", "Relay") == 0
    assert capsys.readouterr().out.count("marta@company.example") == 2
    assert run("off", "--server", "Relay") == 0
    assert run("show", "--server", "Nobody") == 2


def test_what_can_not_be_is_a_fault_of_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("on", "nobody") == 2
    assert "address" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("on", "marta@company.example", "--until", "tomorrow")
