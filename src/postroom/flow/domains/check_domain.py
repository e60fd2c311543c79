"""Check a domain: a door asks for a look at its DNS, the engine looks, the door reads the result.

The web process never resolves: what it wants to know is a row. Asking again is how a page waits: a row that is under
way or young answers, so that many questions about one domain are one look.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from postroom.diagnosis.domain import Reading
from postroom.store.models import DomainCheck
from postroom.terms.host_name import host_reading

from .dkim_keys import note_published

FRESH = timedelta(minutes=10)
# "Check again" takes a look as new that is younger than this.
JUST_NOW = timedelta(seconds=3)
# An engine that claimed a check and is gone; another look may begin.
OVERDUE = timedelta(seconds=30)
KEPT = timedelta(hours=24)
PENDING = 100


class TooManyChecks(Exception):
    """More domains wait to be looked at than anybody could read."""


def ask(domain: str, server_host: str = "", *, anew: bool = False) -> DomainCheck:
    """The check that answers: one under way, one of the last ten minutes (`anew`: of the last seconds), or a new one.

    `domain` comes from `read_domain.domain_in`. Raises TooManyChecks.
    """
    host, young = host_reading(server_host).host.lower(), JUST_NOW if anew else FRESH
    # Pages ask often while they wait: only who finds no answer takes the write lock, and looks once more under it.
    found = _answering(domain, host, young)
    if found is not None:
        return found
    with transaction.atomic():
        found = _answering(domain, host, young)
        if found is not None:
            return found
        if _waiting(timezone.now()).count() >= PENDING:
            raise TooManyChecks
        return DomainCheck.objects.create(domain=domain, server_host=host, created_at=timezone.now())


def latest_check(domain: str, server_host: str) -> DomainCheck | None:
    """The newest check of a domain for a server, finished or not."""
    host = host_reading(server_host).host.lower()
    return DomainCheck.objects.filter(domain=domain, server_host=host).order_by("-created_at").first()


def _answering(domain: str, host: str, young: timedelta) -> DomainCheck | None:
    """The latest check, when it is under way or its result is young enough."""
    check, now = latest_check(domain, host), timezone.now()
    if check is None:
        return None
    if check.finished_at is not None:
        return check if now - check.finished_at < young else None
    return check if check.started_at is None or now - check.started_at < OVERDUE else None


def _waiting(now: datetime) -> QuerySet[DomainCheck]:
    return DomainCheck.objects.filter(started_at=None, created_at__gt=now - KEPT)


def claim_check() -> DomainCheck | None:
    """The oldest check that nobody has begun, now begun; None when there is none (blocking)."""
    if not _waiting(timezone.now()).exists():
        return None
    with transaction.atomic():
        check = _waiting(timezone.now()).order_by("created_at").first()
        if check is not None:
            check.started_at = timezone.now()
            check.save(update_fields=["started_at"])
    return check


def requeue_abandoned_checks(under_way: Collection[str] = ()) -> int:
    """Begin again what an engine that is gone had begun; their number (blocking)."""
    return DomainCheck.objects.filter(finished_at=None).exclude(started_at=None).exclude(pk__in=under_way).update(
        started_at=None
    )


def store_result(check: DomainCheck, reading: Reading) -> None:
    """What the look came to (blocking)."""
    with transaction.atomic():
        DomainCheck.objects.filter(pk=check.pk).update(result=reading.as_json(), finished_at=timezone.now())
        if reading.published_keys:
            note_published(check.domain, list(reading.published_keys))


def forget_old_checks(now: datetime) -> int:
    """Delete checks of more than a day ago; their number (blocking)."""
    return DomainCheck.objects.filter(created_at__lt=now - KEPT).delete()[0]
