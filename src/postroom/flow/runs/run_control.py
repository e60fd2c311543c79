"""What people do to a run: stop it, and go on with one that failed or was stopped, for those who got nothing."""

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from postroom.store import audit
from postroom.store.models import Delivery, Run, RunRecipient
from postroom.store.run_claim import OPEN_STATES
from postroom.terms.outcome import DeliveryState
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible
from ..messages.outbox import retry_now
from .run_ending import stopped
from .run_log import with_line
from .run_plan import NO_FILE
from .run_sending import ON_PURPOSE
from .run_test_mode import modes_met

SUPPRESSED = "recipient-suppressed"


def stop(run_id: str, actor: str) -> Run:
    """Queue no more messages of a run; those that are queued still leave. Raises NotPossible."""
    now = timezone.now()
    with transaction.atomic():
        run = _present(run_id)
        if run.state not in OPEN_STATES:
            raise NotPossible(worded("This run is over already."))
        audit.record(actor, "run.stop", run.subscription.name, {"run": run.pk})
        run.stop_requested, run.due_at = True, min(run.due_at, now)
        if run.state == Run.State.WAITING and run.lease_until is None:
            # Whoever claims it meanwhile finds that its fence is old.
            ending = stopped()
            run.state, run.finished_at, run.problem = ending.state, now, ending.problem
            run.log = with_line(run.log, now, ending.text)
            Run.objects.filter(pk=run.pk).update(
                state=run.state, finished_at=now, problem=run.problem, log=run.log, fence=F("fence") + 1
            )
        Run.objects.filter(pk=run.pk).update(stop_requested=True, due_at=run.due_at)
    return run


def retry_missing(run_id: str, actor: str, now: datetime) -> Run:
    """Have the same run go on for everybody who has no message, or whose message failed; who got it gets no second one.
    One that failed before its recipients were fixed begins anew. Raises NotPossible."""
    with transaction.atomic():
        run = _present(run_id)
        if run.state in OPEN_STATES:
            raise NotPossible(worded("This run is under way. Stop it first, or wait until it has ended."))
        fixed = run.recipients.exists()
        if fixed:
            _refuse_in_test_mode(run, now)
        failed = _failed_messages(run)
        again = run.recipients.filter(message_id="").exclude(left_out__in=(*ON_PURPOSE, NO_FILE))
        count = again.count()
        if run.state == Run.State.SKIPPED or (fixed and not count and not failed):
            raise NotPossible(worded("There is nobody left who could get this report by another try."))
        audit.record(actor, "run.retry", run.subscription.name, {"run": run.pk, "recipients": count + len(failed)})
        if failed:
            retry_now(failed, actor)
        again.update(left_out="")
        _reopen(run, fixed, now)
    return run


def _reopen(run: Run, fixed: bool, now: datetime) -> None:
    text = worded("Somebody asked to try again for those who have nothing yet.")
    out = RunRecipient.objects.filter(run=run).exclude(left_out="").count()
    values = {
        "state": Run.State.SENDING if fixed else Run.State.WAITING, "due_at": now, "lease_until": None,
        "stop_requested": False, "problem": None, "finished_at": None, "try_number": 0, "left_out": out,
        "reopened": run.reopened + 1,
        "log": with_line(run.log, now, text),
        "plan": {**run.plan, "reopened_at": now.isoformat()} if fixed else {},
    }
    Run.objects.filter(pk=run.pk).update(**values, fence=F("fence") + 1)
    for name, value in values.items():
        setattr(run, name, value)


def _refuse_in_test_mode(run: Run, now: datetime) -> None:
    """A run for its true recipients would go on to them, or count a test as theirs."""
    if run.plan.get("test_mode"):
        return
    addresses = run.recipients.filter(message_id="").values_list("address", flat=True)
    if modes_met(run.subscription, addresses, now) != {None}:
        text = worded("Test mode is on, and this message would go to its true recipients. Turn test mode off first.")
        raise NotPossible(text)


def _failed_messages(run: Run) -> list[str]:
    """Messages of the run that failed for another reason than that their recipient wants none."""
    ids = run.recipients.exclude(message_id="").values("message_id")
    failed = Delivery.objects.filter(message_id__in=ids, state=DeliveryState.FAILED).exclude(cause=SUPPRESSED)
    return list(failed.order_by().values_list("message_id", flat=True).distinct())


def _present(run_id: str) -> Run:
    run = Run.objects.select_related("subscription", "report").filter(pk=run_id[:26]).first()
    if run is None:
        raise NotPossible(worded("This run was removed meanwhile."))
    return run
