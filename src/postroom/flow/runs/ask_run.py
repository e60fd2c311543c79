"""Ask for a run by hand: now for everybody, or once for the one who asks. The engine takes it up within a second."""

from datetime import datetime

from django.db import transaction

from postroom.store import audit
from postroom.store.models import Run
from postroom.terms.address import AddressProblem, parse_address
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible, SettingsRefused
from ..subscriptions.subscribe import present

# Somebody who presses twice wants one run; one who asks for a hundred is a script gone wrong.
WAITING_RUNS = 20


def run_now(subscription_id: str, actor: str, now: datetime) -> Run:
    """A run for all its recipients, beside the schedule. Raises NotPossible."""
    return _asked(subscription_id, actor, now, "")


def send_to(subscription_id: str, address: str, actor: str, now: datetime) -> Run:
    """A run whose one message goes to `address`, a person's own, whatever its recipients are. Raises SettingsRefused
    naming `to`, NotPossible."""
    try:
        checked = str(parse_address(address.strip()))
    except AddressProblem as problem:
        raise SettingsRefused(FieldError("to", "invalid", str(problem))) from None
    return _asked(subscription_id, actor, now, checked)


def _asked(subscription_id: str, actor: str, now: datetime, only_to: str) -> Run:
    with transaction.atomic():
        row = present(subscription_id)
        waiting = row.runs.filter(state=Run.State.WAITING)
        if not only_to and (run := waiting.filter(cause=Run.Cause.MANUAL, only_to="", due_at__lte=now).first()):
            return run
        if waiting.count() >= WAITING_RUNS:
            raise NotPossible(worded("{count} runs wait already. Is the engine running?", count=WAITING_RUNS))
        run = Run.objects.create(
            subscription=row, cause=Run.Cause.MANUAL, asked_by=actor[:254], only_to=only_to, due_at=now
        )
        audit.record(actor, "subscription.run", row.name, {"run": run.pk, **({"only_to": only_to} if only_to else {})})
    return run
