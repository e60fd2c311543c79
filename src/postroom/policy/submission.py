"""Where mail is taken over SMTP, and from which networks without a sign-in, as an operator writes it."""

import ipaddress
from dataclasses import dataclass
from typing import NamedTuple, Self

from postroom.terms.limits import SUBMISSIONS_PORT

_TLS = "/tls"


class Endpoint(NamedTuple):
    """An address to listen on. `is_encrypted`: TLS begins with the first octet (RFC 8314 section 3.3)."""

    host: str
    port: int
    is_encrypted: bool

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoints(text: str) -> tuple[Endpoint, ...]:
    """The addresses in a list such as "127.0.0.1:2525, 0.0.0.0:465, [::]:2465/tls". Port 465 is TLS from the first
    octet, others are where "/tls" says so. Raises ValueError with what is wrong."""
    return tuple(_endpoint(part.strip()) for part in text.split(",") if part.strip())


def _endpoint(text: str) -> Endpoint:
    place, is_tls = (text.removesuffix(_TLS), True) if text.endswith(_TLS) else (text, False)
    host, _, port = place.rpartition(":")
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address and a port") from None
    if not port.isdecimal() or not 0 <= int(port) <= 65_535:
        raise ValueError(f"{text!r} has no port within 1 to 65535")
    return Endpoint(str(address), int(port), is_tls or int(port) == SUBMISSIONS_PORT)


@dataclass(frozen=True, slots=True)
class TrustedNetworks:
    """Networks whose hosts submit without a sign-in."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "127.0.0.0/8, 10.1.0.0/16, ::1"; raises ValueError with what is wrong."""
        networks = []
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            try:
                networks.append(ipaddress.ip_network(part))
            except ValueError:
                raise ValueError(f"{part!r} is not a network such as 10.1.0.0/16") from None
        return cls(tuple(networks))

    def __contains__(self, address: object) -> bool:
        try:
            parsed = ipaddress.ip_address(str(address).partition("%")[0])
        except ValueError:
            return False
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(parsed in network for network in self.networks)

    def __bool__(self) -> bool:
        return bool(self.networks)

    def __str__(self) -> str:
        return ", ".join(map(str, self.networks))
