"""Links to reports too large to attach: signed, for a time, one for each recipient, without an address in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from postroom.store.ids import new_id
from postroom.store.models import ReportLink, StoredReport
from postroom.store.signed_id import REPORT_TOKENS

PATH = "/reports/"
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class LinkedReport:
    """What a link stands for: `report` is None where the link is over, or its report is gone."""

    report: StoredReport | None
    expired_at: datetime | None = None


def link_url(link_id: str) -> str:
    """The address by which the recipient fetches the report."""
    return f"{settings.PUBLIC_URL}{PATH}{REPORT_TOKENS.token(link_id)}"


def links_for(report: StoredReport, recipients: Iterable[str], expires_at: datetime, now: datetime) -> dict[str, str]:
    """For each recipient the address of a link of their own (blocking). Who has one of this report keeps it, with the
    later end."""
    wanted = list(dict.fromkeys(recipients))
    with transaction.atomic():
        found: dict[str, str] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            some = ReportLink.objects.filter(report=report, recipient__in=wanted[start : start + _AT_ONCE])
            some.filter(expires_at__lt=expires_at).update(expires_at=expires_at)
            found |= dict(some.values_list("recipient", "pk"))
        made = [
            ReportLink(pk=new_id(), report=report, recipient=recipient, created_at=now, expires_at=expires_at)
            for recipient in wanted if recipient not in found
        ]
        ReportLink.objects.bulk_create(made, batch_size=_AT_ONCE)
    found |= {link.recipient: link.pk for link in made}
    return {recipient: link_url(found[recipient]) for recipient in wanted}


def linked_report(token: str, now: datetime) -> LinkedReport | None:
    """What the token of a link stands for; None for one that was not made here. Each fetch is counted (blocking)."""
    id_ = REPORT_TOKENS.id_of(token)
    if id_ is None:
        return None
    link = ReportLink.objects.select_related("report").filter(pk=id_).first()
    if link is None or link.expires_at <= now:
        return LinkedReport(None, link.expires_at if link else None)
    return LinkedReport(link.report)


def note_fetch(token: str) -> None:
    """Count that the report of this link was fetched (blocking)."""
    id_ = REPORT_TOKENS.id_of(token)
    links = ReportLink.objects.filter(pk=id_ or "")
    links.update(fetch_count=F("fetch_count") + 1)
    links.filter(fetched_at=None).update(fetched_at=timezone.now())
