"""Looks at the DNS of mail domains, a few at a time, beside deliveries and tests and never in their way."""

from datetime import UTC, datetime

from asgiref.sync import sync_to_async

from postroom.flow.domains.check_domain import (
    claim_check,
    forget_old_checks,
    requeue_abandoned_checks,
    store_result,
)
from postroom.flow.domains.dkim_keys import own_keys
from postroom.flow.domains.read_domain import look_at
from postroom.flow.instance.looker import Interval, Looker
from postroom.store.change import Change
from postroom.store.models import DomainCheck
from postroom.store.turn import Turn

from .under_way import UnderWay

AT_ONCE = 8
LOOK_S = 0.1
UNHURRIED_S = 1.0
RETAIN_S = 3_600.0


class DomainChecks:
    """Works off checks of domains from its making until `stop`; of several engines the one whose `turn` it is does."""

    def __init__(self, change: Change, turn: Turn) -> None:
        self._change = change
        self._running = UnderWay("a look at a domain")
        self._may_have_lost_one = True
        self._retaining, self._claiming = Interval(RETAIN_S), Interval(UNHURRIED_S)
        self._looker = Looker("domain-checks", self._round, every_s=LOOK_S, turn=turn, unsure=self._doubt)

    async def stop(self) -> None:
        """End at once; what was under way is begun again by the next engine."""
        await self._looker.stop()
        await self._running.stop()

    def _doubt(self) -> None:
        """A claim may have been stored all the same, or another engine may leave something behind."""
        self._may_have_lost_one = True

    async def _round(self) -> None:
        if self._may_have_lost_one:
            await sync_to_async(requeue_abandoned_checks)(list(self._running))
            self._may_have_lost_one = False
        if self._retaining.is_over():
            await sync_to_async(forget_old_checks)(datetime.now(UTC))
        if self._change.has_come() or self._claiming.is_over():
            await self._begin()

    async def _begin(self) -> None:
        while len(self._running) < AT_ONCE and (check := await sync_to_async(claim_check)()) is not None:
            self._running.begin(check.pk, _look(check))


async def _look(check: DomainCheck) -> None:
    keys = await sync_to_async(own_keys)(check.domain)
    reading = await look_at(check.domain, check.server_host, keys)
    await sync_to_async(store_result)(check, reading)
