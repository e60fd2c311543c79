"""The whole of Postroom against real mail servers: configured, tested, explained, delivered."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.canaries import forms_in
from tests.outbox import rows
from tests.rig.api import Api
from tests.rig.installation import Installation, Run, running_postroom
from tests.rig.mail_rig import WAYS, MailRig, without_trace_fields

pytestmark = pytest.mark.interop
EVERY_WAY = pytest.mark.parametrize(("server", "security", "with_auth"), WAYS)
SIGN_IN = pytest.mark.parametrize(("server", "security"), [(s, m) for s, m, with_auth in WAYS if with_auth])
Rigs = Callable[[str], MailRig]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    installation = Installation(tmp_path_factory.mktemp("delivery") / "data", POSTROOM_SMTP_PORTS="1-65535")
    with running_postroom(installation) as running:
        yield running


@pytest.fixture(scope="module")
def api(run: Run) -> Api:
    return Api(run)


def settings_for(rig: MailRig, security: str, with_auth: bool) -> dict[str, Any]:
    settings = {
        "name": f"{rig.ports[security, with_auth]}", "host": rig.host, "ca_pem": rig.ca_file.read_text(),
        "port": rig.ports[security, with_auth], "security": security, "from_name": "Reports Zoë",
        "from_address": "reports@rig.example", "test_recipient": "admin@elsewhere.example",
    }
    return settings | ({"auth": "password", "username": rig.username, "password": rig.password} if with_auth else {})


@EVERY_WAY
def test_a_server_is_proven_and_a_message_arrives_as_composed(
    rigs: Rigs, api: Api, run: Run, server: str, security: str, with_auth: bool
) -> None:
    rig = rigs(server)
    made = api.ask("POST", "smtp-servers", 201, settings_for(rig, security, with_auth))
    test = api.ended_test(f"smtp-servers/{made['id']}/test")
    assert test["status"] == "passed", test
    assert api.ask("GET", f"smtp-servers/{made['id']}", 200)["state"] == "verified"
    mark = f"mark-{server}-{security}-{with_auth}"
    accepted = api.ask("POST", "messages", 202, {
        "to": ["someone@elsewhere.example"], "bcc": ["hidden@elsewhere.example"], "server": made["id"],
        "subject": f"Zahlen 数字 {security} {with_auth}", "text": ".\n.dot\nFrom here\nnaïve\n", "html": "<p>naïve</p>",
        "headers": {"X-Mark": mark},
    })
    message = api.settled_message(accepted["id"])
    assert [delivery["state"] for delivery in message["deliveries"]] == ["sent", "sent"]
    composed = composed_of(run, mark)
    for arrived in rig.arrived(mark.encode(), count=2):
        assert without_trace_fields(arrived) == composed.replace(b"\r\n", b"\n")
    assert b"hidden@" not in composed


def composed_of(run: Run, mark: str) -> bytes:
    """The stored bytes of the message with `mark`, as they were frozen at acceptance."""
    kept = rows(run.installation.data / "postroom.sqlite3", "SELECT octets FROM store_content")
    [content] = [octets for (octets,) in kept if mark.encode() in octets]
    return content


@SIGN_IN
def test_a_wrong_password_is_found_and_named(rigs: Rigs, api: Api, server: str, security: str) -> None:
    wrong = {**settings_for(rigs(server), security, True), "name": "Wrong", "password": "not the password"}
    test = api.ended_test("smtp-servers/test", wrong)
    assert (test["status"], test["finding"]["cause"]) == ("failed", "auth-bad-credentials"), test["finding"]
    assert [stage["name"] for stage in test["stages"] if stage["status"] == "failed"] == ["authenticate"]
    assert any("535" in line for line in test["finding"]["evidence"])
    log = api.text(f"tests/{test['id']}/log")
    assert "535" in log
    assert forms_in("not the password", log) == []


@EVERY_WAY
def test_diagnose_passes_every_healthy_server(
    rigs: Rigs, tmp_path: Path, server: str, security: str, with_auth: bool
) -> None:
    rig = rigs(server)
    report = diagnosed(rig, tmp_path, security, rig.password if with_auth else None)
    assert (report["verdict"], report["cause"]) == ("success", None)
    assert {stage["status"] for stage in report["stages"]} <= {"passed", "not-needed"}


def test_diagnose_names_a_wrong_password_and_never_shows_it(mail_rig: MailRig, tmp_path: Path) -> None:
    report = diagnosed(mail_rig, tmp_path, "starttls", "a wrong canary password")
    assert (report["verdict"], report["cause"]) == ("failure", "auth-bad-credentials")
    assert forms_in("a wrong canary password", json.dumps(report)) == []


def test_diagnose_says_that_it_is_the_server_whose_tls_is_broken(rigs: Rigs, tmp_path: Path) -> None:
    report = diagnosed(rigs("opensmtpd"), tmp_path, "starttls", None)
    assert report["verdict"] == "failure"
    assert report["cause"].startswith("tls-"), report["cause"]
    assert [stage["name"] for stage in report["stages"] if stage["status"] == "failed"] == ["starttls"]


def diagnosed(rig: MailRig, folder: Path, security: str, password: str | None) -> dict[str, Any]:
    """What `postroom diagnose --json` says."""
    words = [
        "diagnose", "--json", "--host", rig.host, "--port", str(rig.ports[security, password is not None]),
        "--security", security, "--from", "reports@rig.example", "--to", "someone@elsewhere.example",
    ]
    if password is not None:
        words += ["--username", rig.username, "--password-stdin"]
    installation = Installation(folder / "none", SSL_CERT_FILE=str(rig.ca_file))
    done = installation.command(*words, said=password or "")
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if report["verdict"] == "success" else 1), done.stderr
    assert not installation.data.exists()
    return report
