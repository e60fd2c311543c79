"""Servers of cases on loopback, and the names that lead there: the edge of the world, in one place."""

import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from ipaddress import ip_address
from typing import Any
from unittest.mock import patch

import dns.name
from tests.dialogs.player import Playing, playing
from tests.net.dns_server import BROKEN, Zone, dns_server

from postroom.net import dial, resolve

from .case import Case
from .certificates import Certificates


@contextlib.asynccontextmanager
async def served(case: Case, certificates: Certificates) -> AsyncIterator[Playing]:
    """What listens for a case, if anything does."""
    match case.value("peer", "dialog"):
        case "dialog":
            context = certificates.context(case.value("certificate", "good"))
            async with playing(case.dialog, context=context, strict=False) as server:
                yield server
        case "refused":
            with socket.socket() as sock:
                sock.bind(("127.0.0.1", 0))
                yield Playing(port=sock.getsockname()[1])
        case "silent":
            with _silent() as port:
                yield Playing(port=port)
        case other:
            raise AssertionError(f"no such peer: {other}")


@contextlib.contextmanager
def _silent() -> Iterator[int]:
    """A port whose queue of connections is full: what comes to it is dropped, as by a firewall."""
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            sock = waiting.enter_context(socket.socket())
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(listener.getsockname())
        yield int(listener.getsockname()[1])


def zone_of(cases: Iterable[Case]) -> Zone:
    """The DNS in which the hosts of the cases are, with a name that always works."""
    zone: dict[str, list[str] | str] = {"A example.com": ["192.0.2.1"]}
    for case in cases:
        host = case.host.strip().rstrip(".").lower()
        match case.value("dns"):
            case "none":
                continue
            case "broken":
                zone[f"A {host}"] = zone[f"AAAA {host}"] = BROKEN
            case "no-address":
                zone[f"TXT {host}"] = ['"v=spf1 -all"']
            case "exchanger":
                zone[f"MX {host}"] = ["10 mx1.norrvik.example."]
                zone["A mx1.norrvik.example"] = ["127.0.0.1"]
            case _:
                address = case.value("address", "127.0.0.1")
                zone[f"{'AAAA' if ':' in address else 'A'} {host}"] = [address]
    return zone


@contextlib.asynccontextmanager
async def named(zone: Zone) -> AsyncIterator[None]:
    """This process resolves names by `zone` alone, and no route leads to the addresses of RFC 3849 from here."""
    system = socket.getaddrinfo

    def addresses(host: Any, port: Any, *args: Any, **values: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else str(host)
        with contextlib.suppress(ValueError):
            return system(str(ip_address(name)), port, *args, **values)
        found = [record for kind in ("A", "AAAA") if isinstance(record := zone.get(f"{kind} {name}"), list)]
        if zone.get(f"A {name}") == BROKEN:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [item for record in found for item in system(record[0], port, *args, **values)]

    dialed = dial.connected

    async def connected(address: str, port: int) -> Any:
        if address.startswith("2001:db8:"):
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return await dialed(address, port)

    async with dns_server(zone) as (_, resolver):
        async def answer(name: str, kind: Any) -> Any:
            return await resolver.resolve(dns.name.from_text(name), kind, search=False)

        with (
            patch.object(socket, "getaddrinfo", addresses), patch.object(resolve, "_answer", answer),
            patch.object(dial, "connected", connected),
        ):
            yield
