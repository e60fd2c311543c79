"""The submission door within the test's own process, so that what it stands on can fail on purpose."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.rig.submission import RELAY

from postroom.flow.users.local_client import ensure_local_client
from postroom.net.listening import Listened, Listening
from postroom.policy.submission import TrustedNetworks
from postroom.smtp.server.profile import Profile
from postroom.store.models import SmtpServer
from postroom.store.outbox import Outbox
from postroom.submission.door import House
from postroom.submission.mail_room import MailRoom
from postroom.submission.receiver import Receiver


@dataclass
class OpenedDoor:
    room: MailRoom
    port: int


@contextlib.asynccontextmanager
async def opened_door(outbox: Outbox, data: Path, trust: str = "127.0.0.0/8") -> AsyncIterator[OpenedDoor]:
    """The door on a free port of loopback, which it trusts unless told otherwise, with one server."""
    room = MailRoom(outbox, House("mx.example", data, TrustedNetworks.parse(trust)))
    listening = Listening(Profile("mx.example"), partial(Receiver, room), takes_sign_in=True)
    sock = socket.create_server(("127.0.0.1", 0))
    await asyncio.to_thread(ensure_local_client)
    await asyncio.to_thread(SmtpServer.objects.create, name="Relay", settings=RELAY.as_json(), use_unverified=True)
    await listening.start([Listened(sock)])
    try:
        yield OpenedDoor(room, int(sock.getsockname()[1]))
    finally:
        await listening.stop(1)
        await room.close()
        outbox.close()
