"""Tests of servers, a few at a time, beside the deliveries and over the same path."""

from asgiref.sync import sync_to_async

from postroom.flow.instance.looker import Looker
from postroom.flow.probes.run_test import Prober, claim_test, requeue_abandoned_tests

from .under_way import UnderWay

AT_ONCE = 4
STOP_S = 5.0


class ServerTests:
    """Claims queued tests and runs them, whenever it is nudged."""

    def __init__(self, runner: Prober) -> None:
        self._runner = runner
        self._may_have_lost_one = False
        self._looker = Looker("server-tests", self._claim, every_s=None, unsure=self._doubt)
        self._running = UnderWay("a test of a server", self._looker.nudge)

    def nudge(self) -> None:
        """There may be a test to run."""
        self._looker.nudge()

    def requeue_abandoned(self) -> None:
        """Queue again what an engine that is gone had begun (blocking)."""
        requeue_abandoned_tests()

    async def stop(self) -> None:
        """Claim no more; a test that does not end soon is begun again by the next engine."""
        await self._looker.end()
        await self._running.stop(STOP_S)

    def _doubt(self) -> None:
        """A claim may have been stored all the same."""
        self._may_have_lost_one = True

    async def _claim(self) -> None:
        if self._may_have_lost_one:
            await sync_to_async(requeue_abandoned_tests)(list(self._running))
            self._may_have_lost_one = False
        while not self._looker.is_ending and len(self._running) < AT_ONCE:
            test = await sync_to_async(claim_test)()
            if test is None:
                return
            self._running.begin(test.pk, self._runner.run(test))
