"""Where the submission door listens and whom it trusts, as an operator writes it."""

import pytest

from postroom.policy.submission import Endpoint, TrustedNetworks, endpoints


def test_addresses_are_read_and_port_465_is_tls_from_the_first_octet() -> None:
    assert endpoints("127.0.0.1:2525, 0.0.0.0:465,[::]:587,localhost:0/tls") == (
        Endpoint("127.0.0.1", 2525, False), Endpoint("0.0.0.0", 465, True), Endpoint("::", 587, False),
        Endpoint("127.0.0.1", 0, True),
    )
    assert endpoints("") == ()
    assert str(Endpoint("::", 587, False)) == "[::]:587"


@pytest.mark.parametrize("text", ["mail.example.org:25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1"])
def test_what_is_no_address_and_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"127|mail"):
        endpoints(text)


@pytest.mark.parametrize(("address", "is_trusted"), [
    ("10.1.2.3", True), ("10.2.0.1", False), ("::ffff:10.1.2.3", True), ("fd00::5", True), ("fe80::1%eth0", False),
    ("nonsense", False),
])
def test_trust_is_by_network_and_a_mapped_address_is_what_it_stands_for(address: str, is_trusted: bool) -> None:
    trusted = TrustedNetworks.parse("10.1.0.0/16, fd00::/8")
    assert (address in trusted) is is_trusted
    assert address not in TrustedNetworks()


@pytest.mark.parametrize("text", ["10.1.0.0/8", "everybody", "10.1.0.0/33"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="network"):
        TrustedNetworks.parse(text)
