"""Which addresses a report may be fetched from by URL (E1, E3): public ones, and networks that the operator opened.

Whoever may enter a URL could else have this machine ask services that only it can reach.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from .egress import carried_addresses, may_dial

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Shared address space (RFC 6598) belongs to a carrier or a cloud, protocol assignments (RFC 6890) to nobody's hosts;
# `ipaddress` says of neither that it is private in every version of Python.
_CLOSED = (ipaddress.IPv4Network("100.64.0.0/10"), ipaddress.IPv4Network("192.0.0.0/24"))


@dataclass(frozen=True, slots=True)
class FetchNetworks:
    """Networks that are open beside the public addresses. Link-local addresses and metadata services never are."""

    networks: tuple[_Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "10.1.0.0/16, fd00:1::/32"; raises ValueError with what is wrong."""
        networks: list[_Network] = []
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            try:
                networks.append(ipaddress.ip_network(part))
            except ValueError:
                raise ValueError(f"{part!r} is not a network such as 10.1.0.0/16") from None
        return cls(tuple(networks))

    def may_fetch(self, address: str) -> bool:
        """Whether a report may come from this IP address; an IPv6 form that carries IPv4 is judged by both."""
        return may_dial(address) and all(map(self._is_open, _with_carried(address)))

    def _is_open(self, address: _Address) -> bool:
        if any(address in network for network in self.networks):
            return True
        return address.is_global and not any(address in network for network in _CLOSED)

    def __str__(self) -> str:
        return ", ".join(map(str, self.networks))


def _with_carried(text: str) -> Iterator[_Address]:
    """The addresses that decide: those inside where there are any, else the address itself."""
    address = ipaddress.ip_address(text)
    carried = carried_addresses(address)
    yield from carried or (address,)
