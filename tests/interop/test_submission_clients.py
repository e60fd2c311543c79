"""Real clients hand over in every way they offer (P12): swaks, curl, msmtp, smtplib, nodemailer, aiosmtplib."""

import asyncio
import email
import email.policy
import json
import shutil
import smtplib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest
from tests.peers import missing
from tests.rig.submission import Submission, serving, trusting

pytestmark = [pytest.mark.interop, pytest.mark.django_db]
SENDER, RECIPIENT = "app@host.example", "ann@example.org"
NODE_MODULES = Path("/usr/share/nodejs")
NODE = """
const nodemailer = require('nodemailer'); const fs = require('fs');
const job = JSON.parse(fs.readFileSync(0));
nodemailer.createTransport(job.transport).sendMail(job.mail).then(
  (info) => console.log(info.response), (error) => { console.error(error.message); process.exit(1); });
"""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Submission]:  # noqa: ARG001
    with serving(tmp_path_factory.mktemp("clients") / "data") as running:
        yield running


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing(f"{name} is not installed (Debian: apt-get install {name})")
    return str(found)


def mail(subject: str, text: str = "Up by 3 %", recipient: str = RECIPIENT) -> EmailMessage:
    message = EmailMessage(policy=email.policy.SMTPUTF8)
    message["From"], message["To"], message["Subject"] = SENDER, recipient, subject
    message.set_content(text, cte="8bit" if not text.isascii() else None)
    return message


def run(arguments: Sequence[str], said: bytes = b"") -> None:
    done = subprocess.run(arguments, input=said, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")[-3000:]


def by_swaks(door: Submission, way: str, message: bytes, recipients: Sequence[str]) -> None:
    assert way == "none", "Debian's swaks does TLS only with another package"
    run([
        program("swaks"), "--server", "127.0.0.1", "--port", str(door.port), "--from", SENDER,
        "--to", ",".join(recipients), "--auth", "PLAIN", "--auth-user", "app", "--auth-password", door.token,
        "--data", "-",
    ], message)


def by_curl(door: Submission, way: str, message: bytes, recipients: Sequence[str]) -> None:
    scheme, port = ("smtps", door.tls_port) if way == "tls" else ("smtp", door.port)
    named = [word for recipient in recipients for word in ("--mail-rcpt", recipient)]
    run([
        program("curl"), "--silent", "--show-error", "--insecure", *(["--ssl-reqd"] if way == "starttls" else []),
        f"{scheme}://127.0.0.1:{port}/client.example", "--user", f"app:{door.token}", "--mail-from", SENDER, *named,
        "--upload-file", "-",
    ], message)


def by_msmtp(door: Submission, way: str, message: bytes, recipients: Sequence[str]) -> None:
    settings = {
        "none": ["--tls=off"], "starttls": ["--tls=on", "--tls-starttls=on"], "tls": ["--tls=on", "--tls-starttls=off"],
    }[way]
    port = door.tls_port if way == "tls" else door.port
    run([
        program("msmtp"), "--file=/dev/null", "--host=127.0.0.1", f"--port={port}", "--auth=plain", "--user=app",
        f"--passwordeval=echo {door.token}", f"--from={SENDER}", *settings, "--tls-certcheck=off", "--", *recipients,
    ], message)


def by_smtplib(door: Submission, way: str, message: bytes, recipients: Sequence[str]) -> None:
    if way == "tls":
        client: smtplib.SMTP = smtplib.SMTP_SSL("127.0.0.1", door.tls_port, context=trusting(), timeout=60)
    else:
        client = smtplib.SMTP("127.0.0.1", door.port, timeout=60)
    with client:
        if way == "starttls":
            client.starttls(context=trusting())
        client.login("app", door.token)
        options = [] if message.isascii() else ["SMTPUTF8", "BODY=8BITMIME"]
        assert client.sendmail(SENDER, recipients, message, options) == {}


def by_aiosmtplib(door: Submission, way: str, message: bytes, recipients: Sequence[str]) -> None:
    async def send() -> None:
        async with aiosmtplib.SMTP(
            hostname="127.0.0.1", port=door.tls_port if way == "tls" else door.port, use_tls=way == "tls",
            start_tls=way == "starttls", tls_context=None if way == "none" else trusting(), username="app",
            password=door.token, timeout=60,
        ) as client:
            options = [] if message.isascii() else ["SMTPUTF8", "BODY=8BITMIME"]
            errors, _ = await client.sendmail(SENDER, list(recipients), message, mail_options=options)
            assert errors == {}

    asyncio.run(send())


def by_nodemailer(door: Submission, way: str, message: bytes, recipients: Sequence[str]) -> None:
    if not (NODE_MODULES / "nodemailer").is_dir():
        missing("nodemailer is not installed (Debian: apt-get install node-nodemailer)")
    job = {
        "transport": {
            "host": "127.0.0.1", "port": door.tls_port if way == "tls" else door.port, "secure": way == "tls",
            "requireTLS": way == "starttls", "ignoreTLS": way == "none", "tls": {"rejectUnauthorized": False},
            "auth": {"user": "app", "pass": door.token},
        },
        "mail": {"envelope": {"from": SENDER, "to": list(recipients)}, "raw": message.decode()},
    }
    run(["env", f"NODE_PATH={NODE_MODULES}", program("node"), "-e", NODE], json.dumps(job).encode())


CLIENTS: dict[str, Callable[[Submission, str, bytes, Sequence[str]], None]] = {
    "swaks": by_swaks, "curl": by_curl, "msmtp": by_msmtp, "smtplib": by_smtplib, "aiosmtplib": by_aiosmtplib,
    "nodemailer": by_nodemailer,
}
EVERY = pytest.mark.parametrize("name", CLIENTS)
WAYS = [(name, way) for name in CLIENTS for way in ("none", "starttls", "tls") if name != "swaks" or way == "none"]


def safest(name: str) -> str:
    return "none" if name == "swaks" else "starttls"


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_p12_a_client_signs_in_and_hands_over_in_every_way(door: Submission, name: str, way: str) -> None:
    subject = f"By {name} with {way}"
    CLIENTS[name](door, way, mail(subject).as_bytes(), [RECIPIENT])
    assert door.messages("subject")[-1] == (subject,)
    protocol = b"ESMTPA" if way == "none" else b"ESMTPSA"
    assert b" with " + protocol + b" id " in door.last_content()


@EVERY
def test_p12_utf_8_arrives_unchanged(door: Submission, name: str) -> None:
    text = "Zoë: +3 % – größer als 2 €\n.punkt\n..\n"
    recipient = "zoë@example.org" if name in ("smtplib", "aiosmtplib") else RECIPIENT
    message = mail("Zoë’s Zahlen", text, recipient)
    CLIENTS[name](door, safest(name), message.as_bytes(), [recipient])
    assert door.messages("subject")[-1] == ("Zoë’s Zahlen",)
    arrived = email.message_from_bytes(door.last_content(), policy=email.policy.default)
    assert isinstance(arrived, EmailMessage)
    assert arrived.get_content().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")
    assert door.recipients()[-1] == recipient


@EVERY
def test_p12_ten_megabytes_arrive_unchanged(door: Submission, name: str) -> None:
    message = mail(f"Large by {name}")
    body = b"".join(b"%08d.%s\r\n" % (number, b"x" * 60) for number in range(145_000))
    octets = message.as_bytes().partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
    CLIENTS[name](door, safest(name), octets, [RECIPIENT])
    assert len(body) > 10_000_000
    assert door.messages("subject")[-1] == (f"Large by {name}",)
    assert door.last_content().partition(b"\r\n\r\n")[2].rstrip(b"\r\n") == body.rstrip(b"\r\n")


@EVERY
def test_p12_a_hundred_recipients_get_a_delivery_each(door: Submission, name: str) -> None:
    recipients = [f"{name}{number}@example.org" for number in range(100)]
    CLIENTS[name](door, safest(name), mail("To many").as_bytes(), recipients)
    assert door.recipients()[-100:] == recipients
