"""Which addresses may be dialed, and which never (E1, E3)."""

import pytest

from postroom.policy.egress import may_dial

ALLOWED = [
    "127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.5.4", "192.168.1.25", "100.64.0.1", "8.8.8.8", "203.0.113.9",
    "::1", "fd00::25", "fc00:1::1", "2001:db8::25", "2606:4700::1111", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
    "64:ff9b::808:808", "2002:808:808::1", "2001:67c::25", "64:ff9b:1::a00:1", "198.51.100.7",
]
REFUSED = [
    "169.254.169.254", "169.254.0.1", "169.254.170.2", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "::1%lo",
    "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "::ffff:169.254.169.254", "::ffff:100.100.100.200",
    "::169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1", "2001:0:808:808:0:0:5601:5601", "0.0.0.0", "::", "0.1.2.3", "::ffff:0.0.0.0", "224.0.0.1",
    "239.1.1.1", "ff02::1", "240.0.0.1", "255.255.255.255", "::ffff:255.255.255.255", "", "localhost", "127.1",
    "0x7f000001", "2130706433", "010.0.0.1", "1.2.3.4:25", "[::1]", "10.0.0.1/8", "1.2.3", "²",
]


@pytest.mark.parametrize("address", ALLOWED)
def test_internal_and_public_hosts_may_be_dialed(address: str) -> None:
    assert may_dial(address)


@pytest.mark.parametrize("address", REFUSED)
def test_metadata_link_local_and_odd_forms_are_never_dialed(address: str) -> None:
    assert not may_dial(address)
