"""Which addresses may be dialed (E1, E3): internal relays are a main use, metadata services never are.

IPv6 forms that carry an IPv4 address are judged by the address inside too. (`ipaddress` calls several of these forms
global although they lead to loopback or link-local hosts.)
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = IPv6Network("::/96")
# Metadata services outside the link-local ranges: AWS over IPv6, Alibaba Cloud, Azure's platform address.
_METADATA = frozenset(map(ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))


def may_dial(address: str) -> bool:
    """Whether mail may go to this IP address. A zone id ("%eth0") is never allowed, nor is what is no address."""
    if "%" in address:
        return False
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return all(map(_is_host, (parsed, *carried_addresses(parsed))))


def _is_host(address: IPv4Address | IPv6Address) -> bool:
    refused = (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address in _METADATA
        or (isinstance(address, IPv4Address) and (address.is_reserved or address.packed[0] == 0))
        or (isinstance(address, IPv6Address) and address.is_site_local)
    )
    return not refused


def carried_addresses(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses inside: mapped, compatible, NAT64 (RFC 6052), 6to4, Teredo (server and client)."""
    if isinstance(address, IPv4Address):
        return ()
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    last = IPv4Address(address.packed[-4:])
    if any(address in network for network in _NAT64):
        return (last,)
    if address in _COMPATIBLE and int(address) > 1:
        return (last,)
    return ()
