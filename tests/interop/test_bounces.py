"""Bounces as the mail servers of intranets write them: each is read, and tells recipient, status and message."""

import shutil
import smtplib
import ssl
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from tests.rig.certificates import certificates_for
from tests.rig.exim import running_exim_relay
from tests.rig.opensmtpd import running_opensmtpd_relay
from tests.rig.postfix import running_postfix_relay
from tests.rig.programs import free_port

from postroom.message.dsn import read_report
from postroom.message.report import Report, ReportKind

pytestmark = pytest.mark.interop
RELAYS = {"postfix": running_postfix_relay, "exim": running_exim_relay, "opensmtpd": running_opensmtpd_relay}
REVERSE_PATH = "bounces+01ktoken@reports.example"
MAIL = (
    b"From: Reports <reports@reports.example>\r\nTo: nobody@customer.example\r\nSubject: Sales\r\n"
    b"Message-ID: <01kinterop@reports.example>\r\n\r\nHello\r\n"
)


class Beyond:
    """The server behind the relay: it knows nobody at customer.example, and takes the bounce."""

    def __init__(self) -> None:
        self.bounces: list[bytes] = []

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name and arguments
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address.startswith("nobody@"):
            return f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        if not (envelope.mail_from or "").strip("<>"):
            self.bounces.append(envelope.content)
        return "250 2.0.0 ok"


@pytest.fixture(params=RELAYS)
def bounce(request: pytest.FixtureRequest) -> Iterator[bytes]:
    """What the relay sends back when the next server refuses the recipient."""
    folder = Path(tempfile.mkdtemp(prefix="postroom-bounce-"))
    folder.chmod(0o755)
    (folder / "relay").mkdir(mode=0o755)
    beyond, port = Beyond(), free_port()
    files = certificates_for(folder, "localhost", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.chain_file, files.key_file)
    controller = Controller(
        beyond, hostname="127.0.0.1", port=port, tls_context=context,
        authenticator=lambda *_: AuthResult(success=True),
    )
    controller.start()
    try:
        with RELAYS[request.param](folder / "relay", port, "token") as listeners:
            with smtplib.SMTP("127.0.0.1", listeners.ports["none", False], timeout=60) as client:
                client.sendmail(REVERSE_PATH, ["nobody@customer.example"], MAIL)
            deadline = time.monotonic() + 30
            while not beyond.bounces:
                assert time.monotonic() < deadline, listeners.log.read_text(errors="replace")[-3000:]
                time.sleep(0.1)
            yield beyond.bounces[0]
    finally:
        controller.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_the_bounce_of_a_relay_tells_recipient_status_message_and_our_signed_address(bounce: bytes) -> None:
    report = read_report(bounce)
    assert isinstance(report, Report), bounce.decode("utf-8", "replace")
    [said] = report.recipients
    assert (said.recipient, said.kind, said.status) == ("nobody@customer.example", ReportKind.FAILED, "5.1.1")
    assert said.is_permanent
    assert said.diagnostic.startswith("550 5.1.1 <nobody@customer.example>: Recipient address rejected")
    assert report.message_id == "<01kinterop@reports.example>"
    assert REVERSE_PATH in report.addresses
