"""E1, E3: reports come from public addresses and from networks that the operator opened, and from nowhere else."""

import pytest

from postroom.policy.fetch_networks import FetchNetworks
from postroom.policy.report_roots import ReportRoots

PUBLIC = ("93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "2001:4860:4860::8888")
INTERNAL = (
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "100.64.0.1", "100.127.255.254", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "::1", "fc00::1", "fd12:3456::1", "2001:db8::1",
)
NEVER = (
    "169.254.169.254", "169.254.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "100.100.100.200", "168.63.129.16", "fe80::1", "fe80::1%eth0", "::1%lo", "ff02::1", "::",
    "fec0::1", "fd00:ec2::254",
)
CARRYING_INTERNAL = (
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "::10.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:1::1",
    "2001:0:a00:1:0:0:f5ff:fffe", "2001:0:5db8:d80e:0:0:80ff:fffe",
)
CARRYING_METADATA = ("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::169.254.169.254")
NO_ADDRESS = ("", "localhost", "127.1", "0x7f000001", "2130706433", "10.0.0.1/8", "::1]", "1.2.3.4.5")


@pytest.mark.parametrize("address", PUBLIC)
def test_e1_a_public_address_may_be_fetched_from(address: str) -> None:
    assert FetchNetworks().may_fetch(address)


@pytest.mark.parametrize("address", [*INTERNAL, *NEVER, *CARRYING_INTERNAL, *CARRYING_METADATA, *NO_ADDRESS])
def test_e1_e3_no_other_address_may(address: str) -> None:
    assert not FetchNetworks().may_fetch(address)


@pytest.mark.parametrize("address", [*NEVER, *CARRYING_METADATA])
def test_e1_link_local_and_metadata_addresses_stay_closed_whatever_is_opened(address: str) -> None:
    everything = FetchNetworks.parse("0.0.0.0/0, ::/0")
    assert not everything.may_fetch(address)


def test_an_opened_network_is_open_and_no_other() -> None:
    opened = FetchNetworks.parse("10.1.0.0/16, fd12::/16")
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd12:3456::1", "8.8.8.8"):
        assert opened.may_fetch(address)
    for address in ("10.2.0.1", "127.0.0.1", "fd13::1", "2002:a02:1::"):
        assert not opened.may_fetch(address)


@pytest.mark.parametrize("text", ["10.1.0.0/8", "intranet", "10.1.0.0/33", "10.1.0.0-10.1.0.9"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a network"):
        FetchNetworks.parse(text)


def test_roots_have_the_name_of_their_last_folder_or_one_that_is_given() -> None:
    roots = ReportRoots.parse("/srv/reports, exports=/mnt/share/exports ,")
    assert roots.names == ["reports", "exports"]
    assert (roots.folder("exports"), roots.folder("etc")) == ("/mnt/share/exports", None)
    assert not ReportRoots.parse("")


@pytest.mark.parametrize("text", ["reports", "/", "/srv/../etc", "a b=/srv", "/a/x,/b/x", "x=relative", "=/srv"])
def test_what_can_be_no_root_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ReportRoots.parse(text)
