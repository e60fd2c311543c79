"""The sandbox: an SMTP server on loopback that takes every message, keeps it, and sends nothing anywhere."""

import asyncio
import concurrent.futures
import functools
import signal
import socket
from collections.abc import Callable

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import DatabaseError

from postroom.flow.catch import caught
from postroom.flow.sandbox_server import PORT, ensure_sandbox_server
from postroom.store.models import InstanceValue
from postroom.terms.limits import SANDBOX_PORT, SANDBOX_RECIPIENTS, SANDBOX_SIZE_BYTES

HOST = "127.0.0.1"
_log = structlog.get_logger("postroom.sandbox")


class CatchAll:
    """The answers to RCPT and DATA. One thread stores, in the order of arrival."""

    def __init__(self) -> None:
        self._storing = concurrent.futures.ThreadPoolExecutor(1, "sandbox-store")

    async def handle_RCPT(  # noqa: N802 - aiosmtpd names its hooks after the commands
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= SANDBOX_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        # aiosmtpd gives the null reverse-path with its brackets.
        reverse_path = (envelope.mail_from or "").removeprefix("<>")
        store = functools.partial(caught, reverse_path, tuple(envelope.rcpt_tos), content)
        try:
            message = await asyncio.get_running_loop().run_in_executor(self._storing, store)
        except (OSError, DatabaseError) as error:
            _log.error("sandbox message not stored", error=str(error))
            return "451 4.3.0 The sandbox could not store the message, try again later"
        return f"250 2.0.0 Caught as {message.id}"


def serve(ready: Callable[[], None]) -> None:
    """Listen until SIGTERM or SIGINT. `ready` is called once mail is taken."""
    listener = _listener()
    port = int(listener.getsockname()[1])
    ensure_sandbox_server(port)
    asyncio.run(_serve_until_signal(listener, ready))


async def _serve_until_signal(listener: socket.socket, ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(functools.partial(_protocol, CatchAll(), loop), sock=listener)
    ready()
    await stop.wait()
    server.close()


def _protocol(handler: CatchAll, loop: asyncio.AbstractEventLoop) -> SMTP:
    return SMTP(
        handler,
        data_size_limit=SANDBOX_SIZE_BYTES,
        enable_SMTPUTF8=True,
        hostname="sandbox.example",
        ident="Postroom sandbox",
        loop=loop,
    )


def _listener() -> socket.socket:
    """Listening on the port of the last start, else the usual one, else a free one."""
    row = InstanceValue.objects.filter(name=PORT).first()
    wanted = [int(row.value)] if row else []
    for port in (*wanted, SANDBOX_PORT):
        try:
            return socket.create_server((HOST, port))
        except OSError:
            continue
    return socket.create_server((HOST, 0))
