"""The rig itself, judged by a client that is not ours, so that a red interop test points at Postroom."""

import base64
import smtplib
import ssl
from collections.abc import Callable

import pytest
from tests.rig.mail_rig import WAYS, MailRig, without_trace_fields

pytestmark = pytest.mark.interop


@pytest.mark.parametrize(("server", "security", "with_auth"), WAYS)
def test_smtplib_gets_mail_through_every_port(
    rigs: Callable[[str], MailRig], server: str, security: str, with_auth: bool
) -> None:
    rig = rigs(server)
    trust = ssl.create_default_context(cafile=str(rig.ca_file))
    port = rig.ports[security, with_auth]
    content = (
        f"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nFrom: a@rig.example\r\nMessage-ID: <{port}@rig.example>\r\n"
        f"Subject: by smtplib {security} {with_auth}\r\n\r\n.dot\r\n"
    ).encode()
    client = (
        smtplib.SMTP_SSL(rig.host, port, context=trust, timeout=20)
        if security == "tls"
        else smtplib.SMTP(rig.host, port, timeout=20)
    )
    with client:
        if security == "starttls":
            client.starttls(context=trust)
        if with_auth:
            client.ehlo()
            credentials = base64.b64encode(f"\0{rig.username}\0{rig.password}".encode()).decode()
            assert client.docmd("AUTH PLAIN", credentials)[0] == 235
        client.sendmail("a@rig.example", ["b@elsewhere.example"], content)
    [message] = rig.arrived(f"by smtplib {security} {with_auth}".encode())
    assert without_trace_fields(message) == content.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("server", ["postfix", "exim"])
def test_an_auth_port_refuses_mail_without_auth(rigs: Callable[[str], MailRig], server: str) -> None:
    rig = rigs(server)
    with smtplib.SMTP(rig.host, rig.ports["starttls", True], timeout=20) as client:
        client.starttls(context=ssl.create_default_context(cafile=str(rig.ca_file)))
        with pytest.raises((smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused)):
            client.sendmail("a@rig.example", ["b@elsewhere.example"], b"Subject: no\r\n\r\n")
