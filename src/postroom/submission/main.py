"""The submission process: takes mail over SMTP until it is told to stop."""

import asyncio
import signal
from collections.abc import Callable
from functools import partial

import uvloop

from postroom.flow.instance.loaded import leave_to_memory
from postroom.flow.users.local_client import ensure_local_client
from postroom.net.listening import Listening
from postroom.smtp.server.profile import Profile
from postroom.store.outbox import open_outbox

from .certificate_watch import CertificateWatch
from .door import Door
from .mail_room import MailRoom
from .receiver import Receiver

# Below the supervisor's own limit, so that what was accepted is finished in order.
STOP_WITHIN_S = 15.0


def serve(door: Door, ready: Callable[[], None]) -> None:
    """Take mail until SIGTERM or SIGINT. `ready` is called once that has begun."""
    if door.house.trusted:
        ensure_local_client()
    uvloop.run(_serve_until_signal(door, ready))


async def _serve_until_signal(door: Door, ready: Callable[[], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    outbox = open_outbox()
    try:
        room = MailRoom(outbox, door.house)
        profile = Profile(door.house.host_name)
        listening = Listening(profile, partial(Receiver, room), tls=door.tls, takes_sign_in=True)
        await listening.start(door.sockets)
        watch = CertificateWatch(door)
        leave_to_memory()
        ready()
        await stop.wait()
        await watch.stop()
        await listening.stop(STOP_WITHIN_S)
        await room.close()
    finally:
        outbox.close()
