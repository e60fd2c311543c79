"""The whole of Postroom against a real Postfix with Dovecot: configured, tested, explained, delivered."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.canaries import forms_in
from tests.rig.api import Api
from tests.rig.installation import Installation, Run, running_postroom
from tests.rig.mail_rig import MailRig, without_trace_fields

pytestmark = pytest.mark.interop
MODES = pytest.mark.parametrize(
    ("security", "with_auth"), [(s, a) for s in ("none", "starttls", "tls") for a in (False, True)]
)


@pytest.fixture(scope="module")
def run(mail_rig: MailRig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    installation = Installation(
        tmp_path_factory.mktemp("delivery") / "data",
        SSL_CERT_FILE=str(mail_rig.ca_file), POSTROOM_SMTP_PORTS=",".join(map(str, mail_rig.ports.values())),
    )
    with running_postroom(installation) as running:
        yield running


@pytest.fixture(scope="module")
def api(run: Run) -> Api:
    return Api(run)


def settings_for(rig: MailRig, security: str, with_auth: bool) -> dict[str, Any]:
    settings = {
        "name": f"Postfix {security} {'with' if with_auth else 'without'} AUTH", "host": rig.host,
        "port": rig.ports[security, with_auth], "security": security, "from_name": "Reports Zoë",
        "from_address": "reports@rig.example", "test_recipient": "admin@elsewhere.example",
    }
    return settings | ({"auth": "password", "username": rig.username, "password": rig.password} if with_auth else {})


@MODES
def test_a_server_is_proven_and_a_message_arrives_as_composed(
    mail_rig: MailRig, api: Api, run: Run, security: str, with_auth: bool
) -> None:
    server = api.ask("POST", "smtp-servers", 201, settings_for(mail_rig, security, with_auth))
    test = api.ended_test(f"smtp-servers/{server['id']}/test")
    assert test["status"] == "passed", test
    assert api.ask("GET", f"smtp-servers/{server['id']}", 200)["state"] == "verified"
    mark = f"mark-{security}-{with_auth}"
    accepted = api.ask("POST", "messages", 202, {
        "to": ["someone@elsewhere.example"], "bcc": ["hidden@elsewhere.example"], "server": server["id"],
        "subject": f"Zahlen 数字 {security} {with_auth}", "text": ".\n.dot\nFrom here\nnaïve\n", "html": "<p>naïve</p>",
        "headers": {"X-Mark": mark},
    })
    message = api.settled_message(accepted["id"])
    assert [delivery["state"] for delivery in message["deliveries"]] == ["sent", "sent"]
    composed = composed_of(run, mark)
    for arrived in mail_rig.arrived(mark.encode(), count=2):
        assert without_trace_fields(arrived) == composed.replace(b"\r\n", b"\n")
    assert b"hidden@" not in composed


def composed_of(run: Run, mark: str) -> bytes:
    """The stored bytes of the message with `mark`, as they were frozen at acceptance."""
    files = [path for path in (run.installation.data / "blobs").rglob("*") if path.is_file()]
    [content] = [text for text in (path.read_bytes() for path in files) if mark.encode() in text]
    return content


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_wrong_password_is_found_and_named(mail_rig: MailRig, api: Api, security: str) -> None:
    wrong = {**settings_for(mail_rig, security, True), "name": f"Wrong {security}", "password": "not the password"}
    test = api.ended_test("smtp-servers/test", wrong)
    assert (test["status"], test["finding"]["cause"]) == ("failed", "auth-bad-credentials"), test["finding"]
    assert [stage["name"] for stage in test["stages"] if stage["status"] == "failed"] == ["authenticate"]
    assert any("535" in line for line in test["finding"]["evidence"])
    log = api.text(f"tests/{test['id']}/log")
    assert "535" in log
    assert forms_in("not the password", log) == []


@MODES
def test_diagnose_passes_every_healthy_server(
    mail_rig: MailRig, tmp_path: Path, security: str, with_auth: bool
) -> None:
    report = diagnosed(mail_rig, tmp_path, security, mail_rig.password if with_auth else None)
    assert (report["verdict"], report["cause"]) == ("success", None)
    assert {stage["status"] for stage in report["stages"]} <= {"passed", "not-needed"}


def test_diagnose_names_a_wrong_password_and_never_shows_it(mail_rig: MailRig, tmp_path: Path) -> None:
    report = diagnosed(mail_rig, tmp_path, "starttls", "a wrong canary password")
    assert (report["verdict"], report["cause"]) == ("failure", "auth-bad-credentials")
    assert forms_in("a wrong canary password", json.dumps(report)) == []


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
