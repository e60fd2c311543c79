"""Carries out runs of subscriptions, a few at a time, beside deliveries and never in their way.

Any engine may take any run: what keeps them apart is the lease of the claim, which is renewed here.
"""

import asyncio
import sqlite3
from datetime import UTC, datetime

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, InterfaceError, OperationalError

from postroom.flow.run import Runner
from postroom.store.change import Change
from postroom.store.models import Run
from postroom.store.run_claim import LEASE, RunLost, claim_run, free_runs, give_back, renew_runs
from postroom.store.writer import StorageBusy, StorageUnknown

# A report may take minutes to come; others are fetched meanwhile (S7).
AT_ONCE = 8
LOOK_S = 0.2
UNHURRIED_S = 1.0
_AGAIN_S = 5.0

_log = structlog.get_logger("postroom.engine")


class Runs:
    """Works from its making until `stop`, on tasks of its own. `is_alone`: no other engine works on the database, so
    that what is under lease now was left behind."""

    def __init__(self, runner: Runner, change: Change, *, is_alone: bool) -> None:
        self._runner, self._change, self._is_alone = runner, change, is_alone
        self._running: dict[str, tuple[Run, asyncio.Task[None]]] = {}
        self._tasks = [asyncio.create_task(self._feed()), asyncio.create_task(self._renew())]
        for task in self._tasks:
            task.add_done_callback(_ended)

    async def stop(self) -> None:
        """End at once; what was under way is given back, and goes on where it was with the next engine."""
        running = list(self._running.values())
        tasks = [*self._tasks, *(task for _, task in running)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await sync_to_async(give_back)([run for run, _ in running])
        except (DatabaseError, OSError) as error:
            _log.error("runs could not be given back", error=str(error))

    async def _feed(self) -> None:
        looked_s = -UNHURRIED_S
        while True:
            now_s = asyncio.get_running_loop().time()
            try:
                if self._is_alone:
                    await sync_to_async(free_runs)()
                    self._is_alone = False
                if self._change.has_come() or now_s - looked_s >= UNHURRIED_S:
                    looked_s = now_s
                    await self._begin()
            except (DatabaseError, sqlite3.Error, OSError) as error:
                _log.error("no run could be begun", error=str(error))
                await asyncio.sleep(UNHURRIED_S)
            except Exception:  # noqa: BLE001 - whatever it is, the next look may go well, and nobody else looks
                _log.exception("the look for runs broke off")
                await asyncio.sleep(_AGAIN_S)
            await asyncio.sleep(LOOK_S)

    async def _begin(self) -> None:
        while len(self._running) < AT_ONCE:
            run = await sync_to_async(claim_run)(datetime.now(UTC), list(self._running))
            if run is None:
                return
            task = asyncio.create_task(self._carry_out(run))
            self._running[run.pk] = run, task
            task.add_done_callback(_ended)

    async def _carry_out(self, run: Run) -> None:
        try:
            await self._runner.carry_out(run)
        except RunLost:
            _log.info("a run was taken over by another engine", run=run.pk)
        except (StorageBusy, StorageUnknown, OperationalError, InterfaceError, OSError) as error:
            _log.error("the storage did not answer", run=run.pk, error=str(error))
            await asyncio.sleep(_AGAIN_S)
            await sync_to_async(give_back)([run])
        except Exception:  # noqa: BLE001 - whatever it is, it would come again with the next try
            _log.exception("a run of a subscription broke off", run=run.pk)
            await self._runner.break_off(run)
        finally:
            self._running.pop(run.pk, None)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 4)
            held = [(run.pk, run.fence) for run, _ in self._running.values()]
            try:
                if held:
                    await sync_to_async(renew_runs)(held, datetime.now(UTC))
            except Exception as error:  # noqa: BLE001 - runs whose leases end are taken up by others
                _log.error("leases of runs could not be renewed", error=str(error))


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a run of a subscription broke off", exc_info=error)
