"""Reading bounces from a mailbox: over verified TLS, within bounds, each once, and never telling the password."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from tests.bounced import SETTINGS, dsn, sent
from tests.rig.certificates import certificates_for
from tests.rig.imap import ImapServer, running_imap

from postroom.flow.delivery.bounce_mailbox import (
    MailboxSettings,
    ask_look,
    is_look_due,
    look,
    remove_mailbox,
    save_mailbox,
)
from postroom.flow.delivery.return_path import reverse_path_of
from postroom.flow.instance.refusals import SettingsRefused
from postroom.net import imap_mailbox
from postroom.policy.ports import Ports
from postroom.store.models import AuditEntry, Bounce, BounceMailbox

PASSWORD = "canary ö password"


@pytest.fixture(autouse=True)
def database(db: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  it opens the database
    """Every test reads and writes, and may dial any port."""
    monkeypatch.setattr(settings, "SMTP_PORTS", Ports.parse("1-65535"), raising=False)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImapServer]:
    certificates = certificates_for(tmp_path, "localhost", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))
    with running_imap(certificates, PASSWORD) as server:
        yield server


def saved(server: ImapServer, password: str = PASSWORD, **values: Any) -> BounceMailbox:
    given = MailboxSettings(**{"host": "127.0.0.1", "username": "bounces", "port": server.port, **values})
    return save_mailbox(given, password, "marta@norrvik.example")


def looked() -> BounceMailbox:
    look(timezone.now())
    return BounceMailbox.objects.get()


def test_what_nobody_has_seen_is_taken_and_marked_seen(server: ImapServer) -> None:
    delivery = sent()
    to = reverse_path_of(SETTINGS, "reports@reports.example", delivery.pk)
    server.messages = {3: dsn(message_id="", to=to), 5: b"Subject: hello\r\n\r\nHello\r\n"}
    saved(server)
    row = looked()
    assert (row.fault, row.read_count) == ("", 1)
    assert Bounce.objects.get().delivery_id == delivery.pk
    assert server.seen == {3, 5}
    looked()
    assert sum("FETCH" in command for command in server.commands) == 2


def test_reports_move_where_that_is_set_and_other_mail_stays(server: ImapServer) -> None:
    sent()
    server.messages = {3: dsn(), 5: b"Subject: hello\r\n\r\nHello\r\n"}
    saved(server, done_folder="Done reports")
    assert looked().fault == ""
    assert server.moved == {3: "Done reports"}
    assert server.seen == {5}


def test_a_report_whose_mark_was_lost_counts_once(server: ImapServer) -> None:
    sent()
    server.messages = {3: dsn()}
    saved(server)
    looked()
    server.seen.clear()
    looked()
    assert Bounce.objects.count() == 1


def test_the_password_goes_by_plain_where_offered_else_by_login(server: ImapServer) -> None:
    saved(server)
    looked()
    assert "AUTHENTICATE PLAIN" in server.commands
    server.capabilities, server.password = "IMAP4rev1", "simple"
    saved(server, "simple")
    assert looked().fault == ""
    assert any(command.startswith("LOGIN") for command in server.commands)


@pytest.mark.parametrize("password", ["wrong canary", "wrong ö"])
def test_a_refused_sign_in_is_told_without_the_password(server: ImapServer, password: str) -> None:
    saved(server, password)
    row = looked()
    step, _, said = row.fault.partition("\n")
    assert step == "sign-in"
    assert "wrong" in said
    assert password not in row.fault


@pytest.mark.parametrize(("values", "step"), [
    ({"host": "localhost.invalid"}, "resolve"), ({"port": 1}, "connect"), ({"folder": "Nowhere"}, "folder"),
    ({"host": "169.254.169.254"}, "connect"),
])
def test_what_stands_in_the_way_has_its_step(server: ImapServer, values: dict[str, Any], step: str) -> None:
    saved(server, **values)
    assert looked().fault.startswith(f"{step}\n")


def test_t2_a_certificate_of_another_authority_gets_no_password(
    server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    saved(server)
    assert looked().fault.startswith("certificate\n")
    assert server.commands == []


@pytest.mark.parametrize("answer", [
    b"* 1 FETCH (UID 3 BODY[]<0> {99999999999}\r\n", b"* 1 FETCH nonsense\r\n" * 100_000, b"\xff\x00\r\n",
    b"TAG BAD no\r\n", b"* 1 FETCH (UID 3 BODY[]<0> {5}\r\nab", b"x" * 2_000_000 + b"\r\n",
])
def test_b5_a_hostile_server_ends_in_a_fault_and_not_in_memory(
    server: ImapServer, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(imap_mailbox, "LOOK_BYTES", 1_000_000)
    monkeypatch.setattr(imap_mailbox, "COMMAND_S", 0.5)
    server.messages = {3: dsn()}
    server.answer = lambda command: answer if "FETCH" in command else None
    saved(server)
    assert looked().fault.startswith("read\n")


def test_b5_a_server_that_drips_is_cut_off(server: ImapServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_mailbox, "LOOK_S", 0.5)
    monkeypatch.setattr(imap_mailbox, "COMMAND_S", 20.0)
    server.answer = lambda command: b"* OK half a line" if "SEARCH" in command else None
    saved(server)
    assert looked().fault.startswith("read\n")


def test_t4_another_destination_demands_the_password_again(server: ImapServer) -> None:
    row = saved(server)
    saved(server, "", folder="INBOX", done_folder="Done")
    for changed in ({"host": "localhost"}, {"port": 993}, {"username": "other"}):
        with pytest.raises(SettingsRefused) as refused:
            saved(server, "", **changed)
        assert [problem.field for problem in refused.value.problems] == ["password"]
    BounceMailbox.objects.filter(pk=row.pk).update(username="moved by hand")
    assert looked().fault.startswith("password\n")
    assert server.commands == []


@pytest.mark.parametrize(("values", "field"), [
    ({"host": "https://imap.example"}, "host"), ({"host": ""}, "host"), ({"username": ""}, "username"),
    ({"folder": 'a"b'}, "folder"), ({"done_folder": "Gelöscht"}, "done_folder"),
])
def test_settings_that_can_not_be_taken_are_named(server: ImapServer, values: dict[str, Any], field: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        saved(server, **values)
    assert [problem.field for problem in refused.value.problems] == [field]


def test_e4_only_the_port_of_imap_is_dialed_unless_the_operator_allows_another(
    server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SMTP_PORTS", Ports.parse("25,587"), raising=False)
    with pytest.raises(SettingsRefused):
        saved(server, port=6379)
    assert saved(server, port=993).port == 993


def test_a_look_is_due_when_asked_for_and_after_a_pause(server: ImapServer) -> None:
    assert not is_look_due(timezone.now(), 60)
    saved(server)
    assert is_look_due(timezone.now(), 60)
    looked()
    assert not is_look_due(timezone.now(), 60)
    assert is_look_due(timezone.now(), 0)
    ask_look("marta@norrvik.example")
    assert is_look_due(timezone.now(), 60)


def test_one_that_is_switched_off_is_looked_at_when_asked_and_nothing_is_read(server: ImapServer) -> None:
    server.messages = {3: dsn()}
    saved(server, enabled=False)
    assert looked().fault == ""
    assert not any("SEARCH" in command for command in server.commands)
    assert not is_look_due(timezone.now(), 0)


def test_o2_each_change_is_in_the_audit_trail_without_the_password(server: ImapServer) -> None:
    saved(server)
    ask_look("marta@norrvik.example")
    remove_mailbox("marta@norrvik.example")
    assert not BounceMailbox.objects.exists()
    entries = list(AuditEntry.objects.order_by("pk").values_list("action", "changes"))
    assert [action for action, _ in entries] == ["bounce-mailbox.save", "bounce-mailbox.look", "bounce-mailbox.remove"]
    assert PASSWORD not in str(entries)
