"""The pages say whether mail is taken over SMTP, where, and how a program signs in."""

import pytest
from django.conf import LazySettings
from django.test import Client

from postroom.policy.submission import TrustedNetworks, endpoints

pytestmark = pytest.mark.django_db


def test_without_the_setting_it_is_said_how_to_switch_it_on(page: Client) -> None:
    text = page.get("/tokens").content.decode()
    assert "POSTROOM_SUBMISSION=127.0.0.1:2525" in text
    assert "POSTROOM_SUBMISSION" in page.get("/instance").content.decode()


def test_host_port_encryption_and_trust_stand_where_tokens_are(page: Client, settings: LazySettings) -> None:
    settings.SUBMISSION = endpoints("127.0.0.1:2525,0.0.0.0:465")
    settings.SUBMISSION_TRUST = TrustedNetworks.parse("10.1.0.0/16")
    text = page.get("/tokens").content.decode()
    for words in (">2525<", ">465<", "STARTTLS", "TLS from the start", "10.1.0.0/16", "An API token that may send"):
        assert words in text
    assert "0.0.0.0" not in text
    assert "POSTROOM_SUBMISSION_CERTIFICATE" in text
    settings.SUBMISSION_CERTIFICATE = "/etc/mail.pem"
    assert "POSTROOM_SUBMISSION_CERTIFICATE" not in page.get("/tokens").content.decode()
    assert "127.0.0.1:2525" in page.get("/instance").content.decode()
