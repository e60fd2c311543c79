"""Which hosts the pages and the API answer to."""

import pytest

from postroom.policy.web_host import LOOPBACK, allowed_hosts


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://mail.example.org", "mail.example.org"),
        ("https://Mail.Example.org:8443", "mail.example.org"),
        ("http://[2001:db8::5]:8025", "[2001:db8::5]"),
        ("https://bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_the_host_of_the_public_address_and_the_loopback_names_are_served(url: str, host: str) -> None:
    assert allowed_hosts(url) == [host, *LOOPBACK]
