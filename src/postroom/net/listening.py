"""All connections of one SMTP listener: who is let in, how many, how long, and the end in good order (B1, D12)."""

import asyncio
import functools
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from postroom.smtp.server import replies
from postroom.smtp.server.profile import Profile
from postroom.terms import limits

from .incoming import Incoming, Pace, Receiver
from .rounds import PERIOD_S, Rounds

_BACKLOG = 4_096
_LAST_WORDS_S = 1.0


@dataclass(frozen=True, slots=True)
class Listened:
    """A listening socket; with `is_encrypted` TLS begins with the first octet (RFC 8314 section 3.3)."""

    sock: socket.socket
    is_encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Caps:
    """How many connections there may be."""

    connections: int = limits.SUBMISSION_CONNECTIONS
    per_address: int = limits.SUBMISSION_CONNECTIONS_PER_ADDRESS


class Listening:
    """The host of all connections. `receiver` makes what takes the mail of one."""

    def __init__(
        self, profile: Profile, receiver: Callable[[Incoming], Receiver], *, tls: ssl.SSLContext | None = None,
        takes_sign_in: bool = False, pace: Pace | None = None, caps: Caps | None = None, rounds_s: float = PERIOD_S,
    ) -> None:
        self.profile, self.tls, self.takes_sign_in = profile, tls, takes_sign_in
        self.pace, self._caps = pace or Pace(), caps or Caps()
        self.receiver = receiver
        self._connections: set[Incoming] = set()
        self._by_network: dict[str, int] = {}
        self._rounds = Rounds(rounds_s)
        self._servers: list[asyncio.Server] = []
        self._stopping = False
        self._emptied = asyncio.Event()

    async def start(self, sockets: Sequence[Listened]) -> None:
        """Take connections from now on."""
        loop = asyncio.get_running_loop()
        for listened in sockets:
            make = functools.partial(Incoming, self, is_encrypted=listened.is_encrypted)
            self._servers.append(await loop.create_server(make, sock=listened.sock, backlog=_BACKLOG))
        self._rounds.start()

    @property
    def connections(self) -> int:
        return len(self._connections)

    async def stop(self, within_s: float) -> None:
        """Take no more connections, end those between two messages, and give the others time to finish theirs."""
        self._stopping = True
        for server in self._servers:
            server.close()
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + within_s
        while (open_ := [i for i in self._connections if i.ends_at is None]) and loop.time() < ends_at:
            for incoming in open_:
                if incoming.is_idle:
                    incoming.say_farewell(replies.STOPPING)
            self._emptied.clear()
            await self._wait(min(0.1, ends_at - loop.time()))
        for incoming in tuple(self._connections):
            incoming.say_farewell(replies.STOPPING)
        await self._wait(_LAST_WORDS_S)
        for incoming in tuple(self._connections):
            incoming.abort()
        self._rounds.stop()

    async def _wait(self, seconds: float) -> None:
        if not self._connections:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._emptied.wait()
        except TimeoutError:
            return

    # What connections call.

    def refusal_of(self, address: str) -> bytes:
        """b"" to let a client in."""
        if self._stopping:
            return replies.STOPPING
        if len(self._connections) >= self._caps.connections:
            return replies.FULL_HOUSE
        if self._by_network.get(network_of(address), 0) >= self._caps.per_address:
            return replies.TOO_MANY_CONNECTIONS
        return b""

    def joined(self, incoming: Incoming) -> None:
        network = network_of(incoming.address)
        self._by_network[network] = self._by_network.get(network, 0) + 1
        self._connections.add(incoming)
        self._rounds.add(incoming)

    def left(self, incoming: Incoming) -> None:
        network = network_of(incoming.address)
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]
        self._connections.discard(incoming)
        self._rounds.remove(incoming)
        if not self._connections:
            self._emptied.set()


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or an IPv6 network of 64 bits, which one host has to itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
