"""Carries out runs of subscriptions, a few at a time, beside deliveries and never in their way.

Any engine may take any run: what keeps them apart is the lease of the claim, which is renewed here.
"""

import asyncio
from datetime import UTC, datetime

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, InterfaceError, OperationalError

from postroom.flow.instance.looker import Interval, Looker
from postroom.flow.runs.run import Runner
from postroom.store.change import Change
from postroom.store.models import Run
from postroom.store.run_claim import LEASE, RunLost, claim_run, free_runs, give_back, renew_runs
from postroom.store.writer import StorageBusy, StorageUnknown

from .under_way import UnderWay

# A report may take minutes to come; others are fetched meanwhile (S7).
AT_ONCE = 8
LOOK_S = 0.2
UNHURRIED_S = 1.0
_AGAIN_S = 5.0

_log = structlog.get_logger("postroom.engine")


class Runs:
    """Works from its making until `stop`. `engine` is the name that no other living engine has: what is under lease of
    that name at first was left behind by an earlier life of it."""

    def __init__(self, runner: Runner, change: Change, *, engine: str) -> None:
        self._runner, self._change, self._engine, self._has_looked_back = runner, change, engine, False
        self._runs: dict[str, Run] = {}
        self._running = UnderWay("a run of a subscription")
        self._claiming = Interval(UNHURRIED_S)
        self._lookers = (
            Looker("runs", self._round, every_s=LOOK_S),
            Looker("leases-of-runs", self._renew, every_s=LEASE.total_seconds() / 4),
        )

    async def stop(self) -> None:
        """End at once; what was under way is given back, and goes on where it was with the next engine."""
        for looker in self._lookers:
            await looker.stop()
        running = list(self._runs.values())
        await self._running.stop()
        try:
            await sync_to_async(give_back)(running, is_stop=True)
        except (DatabaseError, OSError) as error:
            _log.error("runs could not be given back", error=str(error))

    async def _round(self) -> None:
        if not self._has_looked_back:
            await sync_to_async(free_runs)(self._engine)
            self._has_looked_back = True
        if self._change.has_come() or self._claiming.is_over():
            await self._begin()

    async def _begin(self) -> None:
        while len(self._running) < AT_ONCE:
            run = await sync_to_async(claim_run)(datetime.now(UTC), list(self._running), self._engine)
            if run is None:
                return
            self._runs[run.pk] = run
            self._running.begin(run.pk, self._carry_out(run))

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
            self._runs.pop(run.pk, None)

    async def _renew(self) -> None:
        """Runs whose leases end are taken up by others."""
        if held := [(run.pk, run.fence) for run in self._runs.values()]:
            await sync_to_async(renew_runs)(held, datetime.now(UTC))
