"""A subscription with its source, its recipients and a report that was pushed: what tests of runs begin with."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from postroom.flow.reports.stored_report import report_spool, store_report, with_rows
from postroom.store.models import Recipient, ReportSource, Run, StoredReport, Subscriber, Subscription
from postroom.terms.address import canonical

CSV = b"region,orders\r\nNorth,12\r\nSouth,7\r\nNorth,3\r\n"


def pushed_source(name: str = "Sales") -> ReportSource:
    return ReportSource.objects.create(name=name, kind=ReportSource.Kind.PUSHED)


def pushed(source: ReportSource, now: datetime, octets: bytes = CSV, file_name: str = "sales.csv") -> StoredReport:
    """A report as the API takes it."""
    with report_spool() as spool:
        spool.write(octets)
        blob = spool.finish()
    return with_rows(store_report(source, blob, file_name=file_name, media_type="", origin="push", now=now))


def subscribed(source: ReportSource, addresses: Iterable[str] = ("ann@example.com",), **values: Any) -> Subscription:
    """A subscription of these recipients."""
    name = values.pop("name", "Weekly sales")
    row = Subscription.objects.create(
        **{"name": name, "source": source, "list_name": name, "form": Subscription.Form.ATTACH, **values}
    )
    people = [Recipient(address=address, address_key=canonical(address)) for address in addresses]
    Recipient.objects.bulk_create(people, ignore_conflicts=True)
    known = {person.address: person for person in Recipient.objects.filter(address__in=[p.address for p in people])}
    Subscriber.objects.bulk_create(Subscriber(subscription=row, recipient=known[each]) for each in known)
    return row


def asked(subscription: Subscription, now: datetime, **values: Any) -> Run:
    """A run that waits."""
    return Run.objects.create(**{"subscription": subscription, "cause": Run.Cause.MANUAL, "due_at": now, **values})
