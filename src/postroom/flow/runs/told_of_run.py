"""Who was told how a run ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from postroom.store.models import Delivery, IdempotencyKey, Run

# More addresses than this nobody reads here; the list of messages has them all.
MOST_TOLD = 50


@dataclass(frozen=True, slots=True)
class Told:
    """One address that a notice went to. `state` is that of its delivery."""

    address: str
    message_id: str
    state: str


def told_of_run(run: Run) -> Sequence[Told]:
    """The notices of all ends that the run had, oldest first, by the keys under which `outcome_notices.tell` queues
    them; none where their messages are kept no longer (blocking)."""
    keys = IdempotencyKey.objects.filter(scope=run.subscription_id, key__startswith=f"run-{run.pk}-notice-")
    messages = list(keys.order_by("message_id").values_list("message_id", flat=True)[:MOST_TOLD])
    rows = Delivery.objects.filter(message__in=messages).order_by("message_id", "pk")
    return [Told(row.recipient, row.message_id, str(row.state)) for row in rows[:MOST_TOLD]]
