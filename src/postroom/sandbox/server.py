"""The sandbox: an SMTP server on loopback that takes every message, keeps it, and sends nothing anywhere."""

import asyncio
import functools
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import uvloop
from django.conf import settings

from postroom.flow.servers.sandbox_server import PORT, ensure_sandbox_server
from postroom.net.listening import Listened, Listening
from postroom.smtp.server.profile import Profile
from postroom.store.models import InstanceValue
from postroom.terms.limits import SANDBOX_PORT, SANDBOX_RECIPIENTS, SANDBOX_SIZE_BYTES

from .catch_all import CatchAll, Mailbox

NEIGHBOURS = 100
HOST = "127.0.0.1"
STOP_WITHIN_S = 5.0


def serve(ready: Callable[[], None]) -> None:
    """Listen until SIGTERM or SIGINT. `ready` is called once mail is taken."""
    listener = _listener()
    port = int(listener.getsockname()[1])
    ensure_sandbox_server(port)
    uvloop.run(_serve_until_signal(listener, ready))


async def _serve_until_signal(listener: socket.socket, ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    mailbox = Mailbox(Path(settings.DATA_DIR) / "blobs")
    profile = Profile("sandbox.example", size_bytes=SANDBOX_SIZE_BYTES, recipients=SANDBOX_RECIPIENTS)
    listening = Listening(profile, functools.partial(CatchAll, mailbox))
    await listening.start([Listened(listener)])
    ready()
    await stop.wait()
    await listening.stop(STOP_WITHIN_S)
    await mailbox.close()


def _listener() -> socket.socket:
    """Listening on the port of the last start, else the usual one or one of those behind it, else a free one.

    A free one may be taken for another program's connection while the sandbox is down, and with another port it is
    unverified until it has passed its test; systems give connections no ports as low as the usual ones."""
    row = InstanceValue.objects.filter(name=PORT).first()
    wanted = [int(row.value)] if row else []
    for port in (*wanted, *range(SANDBOX_PORT, SANDBOX_PORT + NEIGHBOURS)):
        try:
            return socket.create_server((HOST, port))
        except OSError:
            continue
    return socket.create_server((HOST, 0))
