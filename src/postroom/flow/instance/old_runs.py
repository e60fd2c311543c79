"""Which runs are over for so long that their history goes: as messages, but the last run of each subscription stays."""

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from postroom.store.models import Run, RunRecipient
from postroom.store.run_claim import OPEN_STATES

# Recipients that go in one commit; others wait so long for the database.
_ROWS_AT_ONCE = 500
_RUNS_AT_ONCE = 100


def forget_old_runs(since: datetime | None) -> Iterator[int]:
    """Delete runs that ended before `since` with their recipients and logs, some at a time; None keeps all. Each step
    says how many rows went (blocking)."""
    if since is None:
        return
    last = Run.objects.order_by().values("subscription").annotate(last=Max("pk")).values("last")
    old = Run.objects.filter(finished_at__lt=since).exclude(state__in=OPEN_STATES).exclude(pk__in=last)
    while ids := list(old.order_by("finished_at").values_list("pk", flat=True)[:_RUNS_AT_ONCE]):
        yield from _without_recipients(ids)
        with transaction.atomic():
            # Somebody may have gone on with one meanwhile; from here on nobody can.
            going = old.filter(pk__in=ids, recipients=None)
            deleted = Run.objects.filter(pk__in=list(going.values_list("pk", flat=True))).delete()[0]
        yield deleted
        if not deleted:
            return


def _without_recipients(ids: list[str]) -> Iterator[int]:
    while True:
        with transaction.atomic():
            over = RunRecipient.objects.filter(run__in=ids).exclude(run__state__in=OPEN_STATES)
            rows = list(over.values_list("pk", flat=True)[:_ROWS_AT_ONCE])
            RunRecipient.objects.filter(pk__in=rows).delete()
        if not rows:
            return
        yield len(rows)
