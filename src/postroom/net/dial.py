"""TCP connections to every address of a name (RFC 8305): IPv6 and IPv4 in turn, the next one after a short delay."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence

from postroom.policy.egress import may_dial
from postroom.smtp.trace import AddressTried
from postroom.terms.limits import CONNECTION_ATTEMPT_DELAY_S

from .connection import Connection
from .recorder import Recorder

Allowed = Callable[[str], bool]

_ERRORS = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.EAFNOSUPPORT: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.ECONNRESET: "reset",
}


async def dial(
    addresses: Sequence[str], port: int, recorder: Recorder, *, timeout_s: float, allowed: Allowed
) -> tuple[Connection, str] | None:
    """The first connection that comes about, with its address; None when none does. Adds AddressTried for each address
    that was tried to its end. `timeout_s` counts per address."""
    waiting = list(addresses)
    running: set[asyncio.Task[tuple[Connection, str] | None]] = set()
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(_attempt(waiting.pop(0), port, recorder, timeout_s, allowed)))
            delay_s = CONNECTION_ATTEMPT_DELAY_S if waiting else None
            done, running = await asyncio.wait(running, timeout=delay_s, return_when=asyncio.FIRST_COMPLETED)
            made = [connection for task in done if (connection := task.result()) is not None]
            for late, _ in made[1:]:
                late.abort()
            if made:
                return made[0]
        return None
    finally:
        await _given_up(running)


async def _given_up(tasks: set[asyncio.Task[tuple[Connection, str] | None]]) -> None:
    """Ends attempts that are not needed any more; a connection made in the same instant is closed."""
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, tuple):
            ended[0].abort()


async def _attempt(
    address: str, port: int, recorder: Recorder, timeout_s: float, allowed: Allowed
) -> tuple[Connection, str] | None:
    began_s = recorder.now_s()

    def tried(error: str, text: str, local: str = "") -> None:
        now_s = recorder.now_s()
        recorder.add(AddressTried(now_s, address, port, now_s - began_s, error, text, local))

    if not (may_dial(address) and allowed(address)):
        tried("not-allowed", "mail may not go to this address")
        return None
    try:
        async with asyncio.timeout(timeout_s):
            connection, local = await connected(address, port)
    except TimeoutError as error:
        tried("timeout", str(error) or f"no answer within {round(timeout_s, 1):g} s")
        return None
    except OSError as error:
        tried(_ERRORS.get(error.errno or 0, "other"), os.strerror(error.errno) if error.errno else str(error))
        return None
    tried("", "", local)
    return connection, address


async def connected(address: str, port: int) -> tuple[Connection, str]:
    """A connection to exactly this address, and the local address it left from. Raises OSError."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(sock, (address, port))
        local = str(sock.getsockname()[0])
        _, connection = await loop.create_connection(lambda: Connection(sock), sock=sock)
    except BaseException:
        sock.close()
        raise
    return connection, local
