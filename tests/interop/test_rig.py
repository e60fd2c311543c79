"""The rig itself, judged by a client that is not ours, so that a red interop test points at Postroom."""

import base64
import smtplib
import ssl

import pytest
from tests.rig.mail_rig import MailRig, without_trace_fields

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("with_auth", [False, True])
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_smtplib_gets_mail_through_every_port(mail_rig: MailRig, security: str, with_auth: bool) -> None:
    trust = ssl.create_default_context(cafile=str(mail_rig.ca_file))
    port = mail_rig.ports[security, with_auth]
    content = f"Subject: by smtplib {security} {with_auth}\r\n\r\n.dot\r\n".encode()
    client = (
        smtplib.SMTP_SSL(mail_rig.host, port, context=trust, timeout=20)
        if security == "tls"
        else smtplib.SMTP(mail_rig.host, port, timeout=20)
    )
    with client:
        if security == "starttls":
            client.starttls(context=trust)
        if with_auth:
            client.ehlo()
            credentials = base64.b64encode(f"\0{mail_rig.username}\0{mail_rig.password}".encode()).decode()
            assert client.docmd("AUTH PLAIN", credentials)[0] == 235
        client.sendmail("a@rig.example", ["b@elsewhere.example"], content)
    [message] = mail_rig.arrived(f"by smtplib {security} {with_auth}".encode())
    assert without_trace_fields(message) == content.replace(b"\r\n", b"\n")


def test_an_auth_port_refuses_mail_without_auth(mail_rig: MailRig) -> None:
    with (
        smtplib.SMTP(mail_rig.host, mail_rig.ports["none", True], timeout=20) as client,
        pytest.raises(smtplib.SMTPRecipientsRefused),
    ):
        client.sendmail("a@rig.example", ["b@elsewhere.example"], b"Subject: no\r\n\r\n")
