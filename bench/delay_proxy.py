"""`python -m bench.delay_proxy TARGET_PORT DELAY_MS`: prints its port; all octets pass, each DELAY_MS later, both ways.

The delay is that of a long line: what follows is not held up by what is on its way. Ends with its standard input.
"""

import asyncio
import sys
from typing import cast

import uvloop


class _End(asyncio.Protocol):
    """One end of a connection; what comes in goes out at the other end, later."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self.other: _End | None = None
        self.transport: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        for octets in self._early:
            self.transport.write(octets)

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        asyncio.get_running_loop().call_later(self._delay_s, self.other.say, data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self.other is not None:
            asyncio.get_running_loop().call_later(self._delay_s, self.other.close)

    def say(self, octets: bytes) -> None:
        if self.transport is None:
            self._early.append(octets)
        elif not self.transport.is_closing():
            self.transport.write(octets)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


async def main(target: int, delay_s: float) -> None:
    loop = asyncio.get_running_loop()

    def visited() -> _End:
        near, far = _End(delay_s), _End(delay_s)
        near.other, far.other = far, near
        dialing.add(asyncio.ensure_future(loop.create_connection(lambda: far, "127.0.0.1", target)))
        return near

    dialing: set[asyncio.Future[object]] = set()
    server = await loop.create_server(visited, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2]) / 1_000))
