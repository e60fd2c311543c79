"""DNS servers to ask in place of the system's, as an operator writes them."""

import re
from ipaddress import ip_address
from typing import NamedTuple

from .limits import DNS_PORT

_WRITTEN = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<four>[0-9.]+))(?::(?P<port>\d{1,5}))?|(?P<bare>[0-9a-fA-F:.]+)"
)


class NameServer(NamedTuple):
    """An address and a port; DNS over UDP, and TCP where an answer is long (RFC 1035 section 4.2)."""

    address: str
    port: int


def name_servers(text: str) -> tuple[NameServer, ...]:
    """The servers in a list such as "9.9.9.9, [2620:fe::fe]:53". Raises ValueError for anything else."""
    return tuple(_server(part.strip()) for part in text.split(",") if part.strip())


def _server(text: str) -> NameServer:
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no address of a DNS server")
    address = ip_address(match["six"] or match["four"] or match["bare"])
    port = int(match["port"] or DNS_PORT)
    if not 0 < port < 65_536:
        raise ValueError(f"{text!r} has no valid port")
    return NameServer(str(address), port)
