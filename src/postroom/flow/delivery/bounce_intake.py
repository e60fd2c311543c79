"""Bounces through a door that takes mail over SMTP: recognised by their recipient alone, which is signed.

Such a recipient needs no sign-in: only who was sent a return path can name it. Nothing sent there is passed on.
"""

import asyncio
from concurrent.futures import Executor

from django.db import DatabaseError, connection
from django.utils import timezone

from postroom.store.writer import StorageBusy

from .bounce import Intake, Way, take_report
from .return_path import delivery_in

# Of a larger report this much is read: what returns a whole message has said all that counts before.
REPORT_BYTES = 1024 * 1024


def is_bounce_address(address: str) -> bool:
    """Whether `address` is the return path of a delivery of ours. Reads nothing."""
    return "+" in address and delivery_in(address) is not None


class BounceDoor:
    """Takes reports in `executor`, for reading and storing them blocks."""

    def __init__(self, executor: Executor | None = None) -> None:
        self._executor = executor

    async def take(self, octets: bytes, forward_path: str) -> Intake:
        """Record what the message to this return path reports. Never raises for what it says; raises StorageBusy where
        nothing was stored, so that the sender keeps it and tries again."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, _taken, octets, forward_path)


def _taken(octets: bytes, forward_path: str) -> Intake:
    try:
        return take_report(octets[:REPORT_BYTES], Way.SUBMISSION, timezone.now(), forward_path)
    except DatabaseError as error:
        connection.close()
        raise StorageBusy(str(error)) from error
