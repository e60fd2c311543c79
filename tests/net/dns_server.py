"""A DNS server on loopback that answers from a table, and the resolver that asks it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

# "TXT norrvik.example": records in the text form of zone files. SILENT never answers, BROKEN says SERVFAIL.
SILENT, BROKEN = "silent", "broken"
Zone = Mapping[str, list[str] | str]


class DnsServer(asyncio.DatagramProtocol):
    """Counts what it was asked in `asked`."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.asked: list[str] = []
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        reply = self._reply(dns.message.from_wire(data))
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply.to_wire(max_size=65_000), addr)

    def _reply(self, query: dns.message.Message) -> dns.message.Message | None:
        asked = query.question[0]
        key = f"{dns.rdatatype.to_text(asked.rdtype)} {str(asked.name).removesuffix('.')}"
        self.asked.append(key)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        name = str(asked.name).removesuffix(".")
        if self.zone.get(key) == SILENT:
            return None
        if self.zone.get(key) == BROKEN:
            reply.set_rcode(dns.rcode.SERVFAIL)
            return reply
        while isinstance(target := self.zone.get(f"CNAME {name}"), list):
            reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{target[0]}."))
            name = target[0]
        records = self.zone.get(f"{key.split()[0]} {name}")
        if isinstance(records, list):
            reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", key.split()[0], *records))
        elif not self._is_there(name):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply

    def _is_there(self, name: str) -> bool:
        return name == "com" or any(each.split(" ", 1)[1] == name or each.endswith(f".{name}") for each in self.zone)


@asynccontextmanager
async def dns_server(zone: Zone) -> AsyncIterator[tuple[DnsServer, dns.asyncresolver.Resolver]]:
    """The server, and a resolver that knows no other."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: DnsServer(zone), local_addr=("127.0.0.1", 0))
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], transport.get_extra_info("sockname")[1]
    try:
        yield server, resolver
    finally:
        transport.close()


@contextmanager
def dns_server_beside(zone: Zone) -> Iterator[str]:
    """The server on a thread and a loop of its own, for code that runs elsewhere; yields "address:port"."""
    ready, done, places = threading.Event(), threading.Event(), list[str]()

    async def serve() -> None:
        async with dns_server(zone) as (_, resolver):
            places.append(f"127.0.0.1:{resolver.port}")
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(5)
        yield places[0]
    finally:
        done.set()
        thread.join()
