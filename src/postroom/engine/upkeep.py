"""What servers need from time to time: the nightly check, and to go on after a pause."""

from collections.abc import Callable
from datetime import UTC, datetime

from asgiref.sync import sync_to_async

from postroom.flow.delivery.settle import note
from postroom.flow.servers.check_server import check_next
from postroom.flow.servers.server_pause import resume_due
from postroom.store.activity_log import ActivityLog


class Upkeep:
    """`now` is the wall clock."""

    def __init__(self, log: ActivityLog, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._log = log
        self._now = now
        self._running_since = now()

    async def look(self) -> None:
        """Do what is due; called every few seconds."""
        for server in await sync_to_async(resume_due)(self._now()):
            note(self._log, {
                "at": self._now(), "kind": "server", "outcome": "resumed", "severity": "information",
                "server": server.name, "server_id": server.pk, "title": f"The pause of {server.name} is over.",
            })
        await sync_to_async(check_next)(self._now(), self._running_since)
