"""Run a subscription: its report once, then a message for each recipient, exactly one whatever happens on the way.

Until the report and the recipients are fixed, a run begins again from the start; from there on it only goes forward.
Whoever loses the run to another engine (`RunLost`) stops: everything that counts is written with the run's fence.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import ParamSpec, TypeVar

import structlog
from django.db import transaction

from postroom.store.blobs import DamagedBlob
from postroom.store.models import Run, Subscription
from postroom.store.run_claim import store_fenced
from postroom.terms.problem import Problem
from postroom.terms.source_fault import SourceFault
from postroom.terms.wording import worded

from ..acceptance.accept import Acceptor
from .aside import aside
from .outcome_notices import tell
from .run_ending import Ending, RunEnded, RunPostponed, failed, stopped
from .run_log import Level, evidence_of, with_line
from .run_report import fixed_or_ended
from .run_sending import Pair, RunSender, client_of
from .run_test_mode import has_reached_true_recipients

_SENT = (Run.State.SUCCESS, Run.State.WARNING)

_log = structlog.get_logger("postroom.run")
P = ParamSpec("P")
T = TypeVar("T")


class Runner:
    """Carries out runs that were claimed. `now` is the wall clock."""

    def __init__(self, acceptor: Acceptor, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._acceptor, self._now = acceptor, now

    async def carry_out(self, run: Run) -> None:
        """Bring a claimed run as far as it goes now: to its end, or to when it is tried again. Raises RunLost,
        DatabaseError and OSError; then the run is taken up again when its lease is over."""
        try:
            await self._end(run, await self._outcome(run))
        except RunPostponed as later:
            if not await _aside(self._postpone, run, later):
                await self._end(run, stopped())

    async def break_off(self, run: Run) -> None:
        """End a run that met a fault of Postroom itself: taken up again, it would meet it again. Raises RunLost,
        DatabaseError and OSError."""
        text = worded("Postroom failed, and has written the fault to the log of its engine.")
        await self._end(run, failed("fault", text))

    async def _outcome(self, run: Run) -> Ending:
        """What the run came to. Raises RunPostponed."""
        try:
            if run.state != Run.State.SENDING:
                ended = await _aside(fixed_or_ended, run, self._now())
                if ended is not None:
                    return ended
            return await self._sent(run)
        except RunEnded as ended_early:
            return ended_early.ending
        except SourceFault as fault:
            return failed(f"source-{fault.kind}", fault.text, fault.evidence)
        except DamagedBlob as fault:
            return failed("damaged", worded("The stored report is damaged."), str(fault))

    async def _sent(self, run: Run) -> Ending:
        """Queue the message of everybody who has none yet."""
        sender = await _aside(RunSender, run, self._now())
        while rows := await _aside(sender.next_rows):
            try:
                pairs = await _aside(sender.requests, rows)
            except Problem as problem:  # the disk, or the room for uploads
                pairs = await _aside(sender.refused, [], problem, self._now())
            await self._queue(run, sender, pairs)
        return await _aside(sender.ending)

    async def _queue(self, run: Run, sender: RunSender, pairs: list[Pair]) -> None:
        """Hand in these requests, without those that are refused."""
        while pairs:
            try:
                accepted = await self._acceptor.accept_each([request for _, request in pairs], client_of(run))
            except Problem as problem:
                pairs = await _aside(sender.refused, pairs, problem, self._now())
            else:
                await _aside(sender.note, pairs, accepted)
                return

    async def _end(self, run: Run, ending: Ending) -> None:
        """Tell whoever wants to know, then commit the end: asked again after a crash, nobody is told twice."""
        now = self._now()
        log = with_line(run.log, now, ending.text, ending.level)
        if ending.evidence:
            said = worded("It said: {evidence}", evidence=evidence_of(ending.evidence))
            log = with_line(log, now, said, ending.level)
        run.state, run.problem, run.log = ending.state, ending.problem, log
        if not run.only_to:
            try:
                await tell(run, self._acceptor, now)
            except Problem as problem:
                _log.warning("a notice could not be queued", run=run.pk, problem=problem.slug)
                text = worded("The notice of this end could not be queued: {why}", why=problem.detail)
                run.log = with_line(run.log, now, text, Level.WARNING)
        await _aside(_finish, run, ending, now)

    def _postpone(self, run: Run, later: RunPostponed) -> bool:
        """False where somebody asked meanwhile to stop the run, which then waits for nothing any more."""
        now = self._now()
        state = Run.State.SENDING if run.state == Run.State.SENDING else Run.State.WAITING
        is_told = bool(run.log) and run.log[-1].get("text") == str(later.text)
        log = run.log if is_told else with_line(run.log, now, later.text, Level.WARNING)
        plan = run.plan if state == Run.State.SENDING else {**run.plan, "lost": 0}
        with transaction.atomic():
            if Run.objects.filter(pk=run.pk, stop_requested=True).exists():
                return False
            store_fenced(run, state=state, due_at=later.due_at, lease_until=None, plan=plan, log=log)
        return True


async def _aside(work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    return await aside(partial(work, *args, **named), "run")


def _finish(run: Run, ending: Ending, now: datetime) -> None:
    """Commit the end. What was sent to the true recipients last is what the next report is compared with."""
    has_sent = ending.state in _SENT and run.queued > 0 and not run.only_to
    with transaction.atomic():
        store_fenced(
            run, state=ending.state, problem=ending.problem, log=run.log, finished_at=now, lease_until=None
        )
        if has_sent and run.report is not None and has_reached_true_recipients(run) and not _is_overtaken(run):
            Subscription.objects.filter(pk=run.subscription_id).update(last_digest=run.report.digest)


def _is_overtaken(run: Run) -> bool:
    """Whether a run that began later has sent a report already, as where somebody has an older one go on."""
    later = Run.objects.filter(
        subscription=run.subscription_id, only_to="", state__in=_SENT, queued__gt=0, started_at__gt=run.started_at
    )
    return any(has_reached_true_recipients(each) for each in later)

