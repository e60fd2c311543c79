"""The sandbox takes mail on loopback, keeps it before it answers, and sends nothing on."""

import contextlib
import json
import os
import signal
import smtplib
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.rig.installation import Installation

from postroom.terms.limits import SANDBOX_RECIPIENTS, SANDBOX_SIZE_BYTES

MIGRATE = (
    "import pathlib, sys; from postroom.cli.instance import load_django; load_django(pathlib.Path(sys.argv[1]));"
    "from django.core.management import call_command; call_command('migrate', verbosity=0)"
)


class Sandbox:
    """A running `postroom serve sandbox`."""

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.port = data, port

    def client(self) -> smtplib.SMTP:
        client = smtplib.SMTP("127.0.0.1", self.port, timeout=20)
        client.ehlo("client.example")
        return client

    def rows(self) -> list[dict[str, object]]:
        with contextlib.closing(sqlite3.connect(self.data / "postroom.sqlite3")) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM store_sandboxmessage ORDER BY id")]

    def content(self, row: dict[str, object]) -> bytes:
        [path] = (self.data / "blobs").rglob(str(row["content_digest"]))
        return path.read_bytes()


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation(tmp_path_factory.mktemp("sandbox"))
    arguments = [installation.arguments()[0], "-c", MIGRATE, str(installation.data)]
    subprocess.run(arguments, check=True, env=installation.environment, timeout=120)
    return installation


@pytest.fixture(scope="module")
def sandbox(migrated: Installation) -> Iterator[Sandbox]:
    with _serving(migrated) as port:
        yield Sandbox(migrated.data, port)


@contextlib.contextmanager
def _serving(installation: Installation) -> Iterator[int]:
    ready_read, ready_write = os.pipe()
    arguments = installation.arguments("serve", "sandbox", "--ready-fd", str(ready_write))
    process = subprocess.Popen(arguments, env=installation.environment, pass_fds=[ready_write])
    os.close(ready_write)
    try:
        assert os.read(ready_read, 16) == b"ready\n"
        with contextlib.closing(sqlite3.connect(installation.data / "postroom.sqlite3")) as connection:
            [value] = connection.execute("SELECT value FROM store_instancevalue WHERE name = 'sandbox_port'").fetchone()
        yield int(json.loads(value))
    finally:
        os.close(ready_read)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_it_offers_what_modern_mail_needs(sandbox: Sandbox) -> None:
    with sandbox.client() as client:
        assert client.esmtp_features["size"] == str(SANDBOX_SIZE_BYTES)
        assert {"8bitmime", "smtputf8"} <= set(client.esmtp_features)


def test_a_caught_message_is_kept_as_it_came(sandbox: Sandbox) -> None:
    content = (
        "From: =?utf-8?q?Zo=C3=AB?= <zoe@reports.example>\r\nSubject: =?utf-8?b?Rmlnw7xyZXM=?=\r\n\r\n"
        "..two dots\r\n.one\r\nnaïve\r\n"
    ).encode()
    before = len(sandbox.rows())
    with sandbox.client() as client:
        client.sendmail("", ["a@example.org", "b@example.org"], content, ["BODY=8BITMIME"])
        # 250 came: from here on the message is there, however this process ends.
        row = sandbox.rows()[-1]
    assert len(sandbox.rows()) == before + 1
    assert sandbox.content(row) == content
    assert (row["subject"], row["from_header"]) == ("Figüres", "Zoë <zoe@reports.example>")
    assert (row["reverse_path"], json.loads(str(row["forward_paths"]))) == ("", ["a@example.org", "b@example.org"])


@pytest.mark.parametrize(
    "header", [b"Subject: =?no-such-charset?q?x?=", b"Subject: =?utf-8?b?!!!?=", b"Subject: \xff\xfe", b""]
)
def test_a_damaged_header_is_kept_and_listed_somehow(sandbox: Sandbox, header: bytes) -> None:
    with sandbox.client() as client:
        client.sendmail("a@example.org", ["b@example.org"], header + b"\r\n\r\nbody\r\n")
    assert sandbox.content(sandbox.rows()[-1]) == header + b"\r\n\r\nbody\r\n"


def test_a_message_over_the_size_limit_is_refused_before_its_content(sandbox: Sandbox) -> None:
    with sandbox.client() as client:
        code, _ = client.mail("a@example.org", [f"SIZE={SANDBOX_SIZE_BYTES + 1}"])
    assert code == 552


def test_recipients_are_limited(sandbox: Sandbox) -> None:
    with sandbox.client() as client:
        client.mail("a@example.org")
        codes = {client.rcpt(f"r{number}@example.org")[0] for number in range(SANDBOX_RECIPIENTS)}
        assert codes == {250}
        assert client.rcpt("one-more@example.org")[0] == 452


def test_a_message_that_can_not_be_stored_is_not_answered_with_250(sandbox: Sandbox) -> None:
    blobs, aside = sandbox.data / "blobs", sandbox.data / "blobs-aside"
    if blobs.exists():
        blobs.rename(aside)
    blobs.write_text("no folder")
    before = len(sandbox.rows())
    try:
        with sandbox.client() as client, pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@example.org", ["b@example.org"], b"Subject: lost\r\n\r\n")
        assert refused.value.smtp_code == 451
        assert len(sandbox.rows()) == before
    finally:
        blobs.unlink()
        if aside.exists():
            aside.rename(blobs)


def test_it_listens_on_loopback_alone(sandbox: Sandbox) -> None:
    port = f"{sandbox.port:04X}"
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    listening = {fields[1].split(":")[0] for fields in lines if fields[3] == "0A" and fields[1].endswith(f":{port}")}
    assert listening == {"0100007F"}


def test_it_takes_another_port_when_its_own_is_taken(migrated: Installation, sandbox: Sandbox) -> None:
    with _serving(migrated) as port:
        # Such a low one that no connection of another program gets it while the sandbox is started again.
        assert port != sandbox.port
        assert port < 10_000
        with Sandbox(migrated.data, port).client() as client:
            assert client.noop()[0] == 250
