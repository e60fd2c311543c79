"""An engine that works while the test looks on."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from postroom.engine.engine import Engine
from postroom.engine.server_tests import ServerTests
from postroom.engine.upkeep import Upkeep
from postroom.flow.probes.run_test import Prober
from postroom.flow.servers import check_server
from postroom.store.change import open_change
from postroom.store.models import InstanceValue

if TYPE_CHECKING:
    from .conftest import Outbox


class Running:
    """See above; `stop` may come without `start`."""

    def __init__(self, outbox: "Outbox") -> None:
        self.change = open_change()
        tests = ServerTests(Prober(outbox.log, outbox.data / "logs", "localhost"))
        upkeep = Upkeep(outbox.log)
        self.engine = Engine(outbox.queue, outbox.courier, outbox.settler, tests, upkeep, self.change)
        self._task: asyncio.Task[None] | None = None

    async def start(self, *, checked_at: datetime | None = None) -> None:
        """Begin; the servers were checked last at `checked_at`, just now unless another time is given."""
        run = {"began_at": (checked_at or datetime.now(UTC)).isoformat(), "left": []}
        await InstanceValue.objects.aupdate_or_create(name=check_server.RUN, defaults={"value": run})
        await self.engine.recover()
        self._task = asyncio.create_task(self.engine.run())

    async def ended(self) -> None:
        """Wait until the engine ends by itself; what ended it is raised."""
        assert self._task is not None
        try:
            await asyncio.wait_for(self._task, 10)
        finally:
            self.change.close()

    async def stop(self) -> None:
        self.engine.stop()
        if self._task is not None:
            await asyncio.wait_for(self._task, 10)
        self.change.close()
