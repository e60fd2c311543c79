"""Pause a server for a while, switch it off or on: it keeps its settings and takes no deliveries meanwhile."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from postroom.store import audit
from postroom.store.models import SmtpServer
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import SettingsRefused

REASON_CHARACTERS = 500
BY_ITSELF = "postroom"
LONGEST = timedelta(days=36_500)


def pause_server(server: SmtpServer, *, until: datetime | None, reason: str, actor: str) -> None:
    """Take it out of delivery until an instant, or until somebody resumes it; its mail goes on through the next.

    Raises SettingsRefused naming `until` or `reason`.
    """
    now = timezone.now()
    problems = []
    if until is not None and until <= now:
        problems.append(FieldError("until", "past", worded("Enter a time in the future, or leave it empty.")))
    if until is not None and until > now + LONGEST:
        text = worded("Enter a time within the next hundred years, or leave it empty.")
        problems.append(FieldError("until", "too-far", text))
    if len(reason.strip()) > REASON_CHARACTERS:
        problems.append(FieldError("reason", "too-long", worded("Shorten the reason to 500 characters.")))
    if problems:
        raise SettingsRefused(*problems)
    with transaction.atomic():
        SmtpServer.objects.filter(pk=server.pk).update(
            paused_at=now, paused_until=until, paused_by=actor[:254], pause_reason=reason.strip(), updated_at=now
        )
        changes = {"until": until.isoformat() if until else None, "reason": reason.strip()}
        audit.record(actor, "server.pause", server.name, changes)


def resume_server(server: SmtpServer, actor: str) -> None:
    """Take deliveries again; nothing happens where it is not paused."""
    with transaction.atomic():
        if _resumed(SmtpServer.objects.filter(pk=server.pk)):
            audit.record(actor, "server.resume", server.name)


def resume_due(now: datetime) -> list[SmtpServer]:
    """Resume every server whose pause is over; which they were."""
    resumed = []
    for row in SmtpServer.objects.filter(paused_at__isnull=False, paused_until__lte=now):
        with transaction.atomic():
            if _resumed(SmtpServer.objects.filter(pk=row.pk, paused_until__lte=now)):
                until = row.paused_until.isoformat() if row.paused_until else None
                audit.record(BY_ITSELF, "server.resume", row.name, {"until": until})
                resumed.append(row)
    return resumed


def set_enabled(server: SmtpServer, enabled: bool, actor: str) -> None:
    """The administrator's switch: a disabled server takes no deliveries and keeps its settings."""
    with transaction.atomic():
        SmtpServer.objects.filter(pk=server.pk).update(enabled=enabled, updated_at=timezone.now())
        audit.record(actor, "server.enable" if enabled else "server.disable", server.name)


def _resumed(rows: QuerySet[SmtpServer]) -> bool:
    return bool(rows.filter(paused_at__isnull=False).update(
        paused_at=None, paused_until=None, paused_by="", pause_reason="", updated_at=timezone.now()
    ))
