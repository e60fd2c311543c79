"""`postroom server`: servers on the command line without a live test; what an engine proves: test_first_server."""

import json
from datetime import datetime, timedelta
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from django.utils import timezone

from postroom.cli import ended_test
from postroom.cli.main import main
from postroom.flow.servers.test_result import mark_verified
from postroom.store.heartbeat import store_heartbeat
from postroom.store.models import AuditEntry, Delivery, Message, ServerTest, SmtpServer
from postroom.terms.limits import TEST_TIMEOUT_S
from postroom.terms.server import Security

RELAY = ("--host", "smtp.company.example", "--from", "reports@company.example", "--to", "marta@company.example")
IN_USE = ("--use-unverified", "--reason", "no test mailbox yet")
PASSWORD = "Lantern-Harbour-41"


@pytest.fixture(autouse=True)
def opened(db: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  every test reads rows
    """The test database stands for the installation."""
    monkeypatch.setattr("postroom.cli.server.open_instance", lambda _: True)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password on standard input."""
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(f"{PASSWORD}\n".encode())))


def test_a_server_is_added_unverified_with_a_reason_and_is_the_first_default(
    typed: None, capsys: pytest.CaptureFixture[str]  # noqa: ARG001
) -> None:
    words = ("--username", "reports", "--password-stdin", "--limit", "connections=3", "--limit", "size_bytes=none")
    assert main(["server", "add", "Relay", *RELAY, *words, *IN_USE]) == 0
    row = SmtpServer.objects.get()
    settings = row.typed_settings
    assert (settings.port, settings.security, settings.username) == (587, Security.STARTTLS, "reports")
    assert (settings.limits.connections, settings.limits.size_bytes) == (3, None)
    assert (row.use_unverified, row.unverified_reason, row.is_default) == (True, "no test mailbox yet", True)
    assert bool(row.sealed_password)
    assert capsys.readouterr().out == "Relay: saved, unverified, in use, default\n"
    assert main(["server", "add", "Second", *RELAY, *IN_USE]) == 0
    assert SmtpServer.objects.get(is_default=True).name == "Relay"
    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"command line"}


def test_one_that_is_saved_untested_says_how_to_prove_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["server", "add", "Relay", *RELAY, "--security", "tls", "--untested"]) == 0
    row = SmtpServer.objects.get()
    assert row.typed_settings.port == 465
    assert not row.takes_deliveries
    assert f"postroom server test {row.pk}" in capsys.readouterr().err


def test_servers_are_listed_as_lines_and_by_the_names_of_the_api(
    relay: SmtpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["server", "list"]) == 0
    line = capsys.readouterr().out
    assert line.split() == ["Relay", "smtp.company.example:25", "none", "unverified,", "in", "use,", "default"]
    assert main(["server", "list", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["smtp_servers"]
    assert (told["id"], told["host"], told["state"], told["has_password"]) == (
        relay.pk, "smtp.company.example", "unverified", False,
    )
    assert main(["server", "show", relay.pk]) == 0
    assert json.loads(capsys.readouterr().out) == told


def test_a_server_is_paused_resumed_switched_and_moved(relay: SmtpServer, capsys: pytest.CaptureFixture[str]) -> None:
    until = (timezone.now() + timedelta(hours=2)).replace(microsecond=0)
    assert main(["server", "pause", "Relay", "--until", until.isoformat(), "--reason", "move of the machine room"]) == 0
    assert f"paused until {until:%Y-%m-%d %H:%M}Z" in capsys.readouterr().out
    relay.refresh_from_db()
    assert (relay.paused_until, relay.pause_reason) == (until, "move of the machine room")
    assert main(["server", "resume", "Relay"]) == 0
    assert main(["server", "off", "Relay"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("Relay: off")
    assert main(["server", "on", "Relay"]) == 0
    assert main(["server", "add", "Second", *RELAY, *IN_USE]) == 0
    assert main(["server", "default", "Second"]) == 0
    assert SmtpServer.objects.get(is_default=True).name == "Second"
    capsys.readouterr()
    assert main(["server", "move", "Relay", "1"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["Relay", "Second"]


def test_one_that_takes_no_deliveries_can_not_be_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["server", "add", "Relay", *RELAY, "--untested"]) == 0
    assert main(["server", "default", "Relay"]) == 1
    assert "cannot be the default" in capsys.readouterr().err


def test_a_change_that_touches_nothing_proven_needs_no_test_and_leaves_it_verified(relay: SmtpServer) -> None:
    test = ServerTest.objects.create(server=relay, settings=relay.settings, status="passed", created_by="test")
    mark_verified(relay, test)
    words = ("--name", "Main", "--from-name", "Reports", "--limit", "connections=2")
    assert main(["server", "change", "Relay", *words]) == 0
    row = SmtpServer.objects.get()
    assert (row.name, row.typed_settings.from_name, row.typed_settings.limits.connections) == ("Main", "Reports", 2)
    assert row.state == "verified"
    assert ServerTest.objects.count() == 1


def test_without_an_engine_nothing_is_tested_saved_or_left_behind(
    relay: SmtpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["server", "add", "Second", *RELAY]) == 1
    assert main(["server", "change", "Relay", "--host", "smtp2.company.example", "--to", "marta@company.example"]) == 1
    assert main(["server", "test", "Relay"]) == 1
    assert capsys.readouterr().err.count("No engine is running") == 3
    relay.refresh_from_db()
    assert relay.typed_settings.host == "smtp.company.example"
    assert (SmtpServer.objects.count(), ServerTest.objects.count()) == (1, 0)


def test_a_test_that_no_engine_ends_in_time_is_stopped(
    relay: SmtpServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ended_test.WITHIN_S > 2 * TEST_TIMEOUT_S
    monkeypatch.setattr(ended_test, "WITHIN_S", 0.05)
    store_heartbeat(timezone.now(), "running")
    assert main(["server", "test", relay.name, "--no-send"]) == 1
    assert "It is stopped." in capsys.readouterr().err
    assert ServerTest.objects.get().status == "stopped"


def test_an_interrupted_wait_stops_the_test(relay: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("postroom.cli.ended_test.time.sleep", interrupted)
    store_heartbeat(timezone.now(), "running")
    assert main(["server", "test", relay.name, "--no-send"]) == 130
    assert ServerTest.objects.get().status == "stopped"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "Relay", *RELAY, "--username", "a", *IN_USE], "--password-stdin"),
        (["add", "Relay", *RELAY, "--use-unverified"], "reason"),
        (["add", "Relay", *RELAY, *IN_USE, "--port", "22"], "port: Mail goes to the ports"),
        (["add", "Relay", *RELAY, *IN_USE, "--limit", "colour=3"], "NAME=NUMBER"),
        (["add", "Relay", *RELAY, *IN_USE, "--limit", "connections=0"], "limits.connections"),
        (["add", "Relay", *RELAY, *IN_USE, "--ca-file", "/nowhere.pem"], "--ca-file"),
        (["add", "relay one", "--host", "https://a", "--from", "b", *IN_USE], "host: "),
        (["change", "Relay"], "Say what to change"),
        (["move", "Relay", "0"], "from 1"),
        (["pause", "Relay", "--until", "2001-01-01T00:00Z"], "until: "),
    ],
)
@pytest.mark.usefixtures("relay")
def test_what_can_not_be_taken_is_wrong_usage_and_is_named(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["server", *words]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""
    assert SmtpServer.objects.count() == 1


def test_t4_a_changed_destination_demands_the_password_anew(
    typed: None, capsys: pytest.CaptureFixture[str]  # noqa: ARG001
) -> None:
    assert main(["server", "add", "Relay", *RELAY, "--username", "a", "--password-stdin", *IN_USE]) == 0
    assert main(["server", "change", "Relay", "--host", "other.company.example", *IN_USE]) == 2
    assert "password: Enter the password again" in capsys.readouterr().err
    assert SmtpServer.objects.get().typed_settings.host == "smtp.company.example"


def test_an_empty_password_and_one_that_is_no_text_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["server", "add", "Relay", *RELAY, "--username", "a", "--password-stdin", *IN_USE]
    for octets in (b"", b"\xff\xfe\n"):
        file = tmp_path / "typed"
        file.write_bytes(octets)
        with file.open() as given:
            monkeypatch.setattr("sys.stdin", given)
            assert main(words) == 2
    assert capsys.readouterr().err.count("password") == 2


def test_what_is_removed_is_called_by_its_whole_name_and_what_waits_is_counted(
    relay: SmtpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting(relay, timezone.now(), 3)
    assert main(["server", "add", "Second", *RELAY, *IN_USE]) == 0
    assert main(["server", "remove", relay.pk]) == 1
    assert SmtpServer.objects.count() == 2
    capsys.readouterr()
    assert main(["server", "remove", "Relay"]) == 0
    told = capsys.readouterr()
    assert told.out == "Relay: removed\n"
    assert "waited for it: 3. They go to Second; those whose client named Relay wait" in told.err
    assert main(["server", "show", "Relay"]) == 1
    assert main(["server", "remove", "Second"]) == 0
    assert capsys.readouterr().err.count("There is no SMTP server") == 1


def waiting(server: SmtpServer, now: datetime, count: int) -> None:
    message = Message.objects.create(
        server=server, message_id="<m@norrvik.example>", from_header="a@norrvik.example", content_digest="0" * 64,
        content_size=5, created_at=now, expires_at=now + timedelta(days=1),
    )
    Delivery.objects.bulk_create(
        Delivery(message=message, recipient=f"r{n}@example.org", state="queued", server=server, due_at=now,
                 updated_at=now)
        for n in range(count)
    )
