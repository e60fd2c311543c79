"""What waits for a server that can't be used goes to the one that takes over; the log is told now and then."""

import time

from postroom.flow.delivery.settle import ServerName, Settler
from postroom.policy.failover import Standing

# How often what waits is looked for, and how often the log is told of what moved.
LOOK_S = 0.5
TELL_S = 60.0


class PassingOn:
    """Of one server."""

    def __init__(self, settler: Settler) -> None:
        self._settler = settler
        self._looked_s = self._told_s = float("-inf")
        self._untold = 0
        self._to = ""

    async def pass_on(self, server: ServerName, to: Standing) -> float:
        """Move what is due; the seconds after which it is worth to look again, 0 where that has no haste."""
        if time.monotonic() - self._looked_s < LOOK_S:
            return LOOK_S
        if to.name != self._to:
            self.tell(server)
        self._to, self._untold = to.name, self._untold + await self._settler.pass_on(server.id, to.id)
        self._looked_s = time.monotonic()
        if self._looked_s - self._told_s >= TELL_S:
            self.tell(server)
        return 0.0

    def tell(self, server: ServerName) -> None:
        """One line of the activity log for all that moved since the last one."""
        if self._untold:
            self._settler.note_passed_on(server, self._to, self._untold)
            self._untold, self._told_s = 0, time.monotonic()
