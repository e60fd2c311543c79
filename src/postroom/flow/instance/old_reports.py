"""Which stored reports are over: their rows go here, and then the sweep of contents takes their octets.

A report that a run has not finished with, that a link still gives, or that is a source's newest push stays, however
old. What nobody refers to, such as what was fetched to try a source, goes after a day.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from postroom.store.models import ReportLink, ReportSource, Run, RunRecipient, StoredReport

UNUSED_KEPT = timedelta(days=1)
# So long a link that is over still says what it was.
LINKS_KEPT = timedelta(days=90)
_ROWS_AT_ONCE = 200
_OPEN = (Run.State.WAITING, Run.State.FETCHING, Run.State.SENDING)


def forget_old_reports(since: datetime | None, now: datetime) -> Iterator[int]:
    """Delete reports made before `since` that nobody needs any longer, some at a time; with None those that are
    referred to are kept for ever. Each step says how many rows went (blocking)."""
    yield ReportLink.objects.filter(expires_at__lt=now - LINKS_KEPT).delete()[0]
    while ids := list(_over(since, now).order_by("made_at").values_list("pk", flat=True)[:_ROWS_AT_ONCE]):
        with transaction.atomic():
            # A run may have taken one meanwhile; from here on none can.
            still = list(_over(since, now).filter(pk__in=ids).values_list("pk", flat=True))
            deleted, _ = StoredReport.objects.filter(pk__in=still).delete()
        yield deleted
        if not deleted:
            return


def _over(since: datetime | None, now: datetime) -> QuerySet[StoredReport]:
    newer = StoredReport.objects.filter(source=OuterRef("source")).filter(
        Q(made_at__gt=OuterRef("made_at")) | Q(made_at=OuterRef("made_at"), pk__gt=OuterRef("pk"))
    )
    old = StoredReport.objects.filter(made_at__lt=now - UNUSED_KEPT).exclude(
        ~Exists(newer), source__kind=ReportSource.Kind.PUSHED
    )
    runs = Run.objects.filter(report=OuterRef("pk"))
    recipients = RunRecipient.objects.filter(report=OuterRef("pk"))
    links = ReportLink.objects.filter(report=OuterRef("pk"))
    unused = ~Exists(runs) & ~Exists(recipients) & ~Exists(links)
    if since is None:
        return old.filter(unused)
    is_done = (
        ~Exists(runs.filter(state__in=_OPEN)) & ~Exists(recipients.filter(run__state__in=_OPEN))
        & ~Exists(links.filter(expires_at__gt=now))
    )
    return old.filter(unused | (Q(made_at__lt=since) & is_done))
