"""The DNS of the domains that mail is sent from: what it said when all was well, and what it says now.

The engine looks; this asks it to, and compares. A first look is the baseline, whatever it shows: a domain that is not
set up well is told on the server's page, this rule tells of changes.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from postroom.flow.domains.check_domain import TooManyChecks, ask, latest_check
from postroom.flow.domains.read_domain import domain_in
from postroom.store import audit
from postroom.store.models import DomainWatch, SmtpServer
from postroom.terms.wording import worded

from .found import Found

_PARTS = ("domain", "spf", "dkim", "dmarc")
_WORSE = {"ok": 0, "unknown": 0, "warn": 1, "bad": 2}


def domain_drift(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """Domains of servers in use whose DNS differs from what was agreed with, looked at every so many hours."""
    found = []
    for domain, host in _domains().items():
        row = _looked(domain, host, timedelta(hours=settings["hours"]), now)
        if row is not None and (parts := differences(row)):
            found.append(_drift(row, parts))
    return found


def known_drift(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """The same by what was seen last; asks for no look."""
    del settings, now
    rows = DomainWatch.objects.filter(pk__in=_domains())
    return [_drift(row, parts) for row in rows if (parts := differences(row))]


def accept_difference(domain: str, actor: str, now: datetime) -> bool:
    """Take what the DNS says now as right; whether there was something to accept. Its alert closes by itself."""
    with transaction.atomic():
        row = DomainWatch.objects.filter(pk=domain).first()
        if row is None or not differences(row):
            return False
        audit.record(actor, "domain.accept", domain, {"parts": differences(row)})
        row.baseline, row.baseline_at = row.seen, now
        row.save(update_fields=["baseline", "baseline_at"])
    return True


def differences(row: DomainWatch) -> list[str]:
    """Names of parts that became worse, or whose record is another; what was not answered differs from nothing."""
    return [name for name in _PARTS if _differs(row.baseline.get(name), row.seen.get(name))]


def _differs(before: Any, after: Any) -> bool:
    before, after = before or {}, after or {}
    if "unknown" in (before.get("status"), after.get("status")):
        return False
    if _WORSE.get(after.get("status", "ok"), 0) > _WORSE.get(before.get("status", "ok"), 0):
        return True
    return bool(before.get("record")) and before.get("record") != after.get("record")


def _domains() -> dict[str, str]:
    """Each From domain with the host that sends for it."""
    rows = SmtpServer.objects.filter(enabled=True, is_sandbox=False)
    found: dict[str, str] = {}
    for settings in (row.typed_settings for row in rows if row.takes_deliveries):
        if domain := domain_in(settings.from_address):
            found.setdefault(domain, settings.host)
    return found


def _looked(domain: str, host: str, every: timedelta, now: datetime) -> DomainWatch | None:
    """The domain as it was seen last; a look is asked for where that was long ago."""
    row = DomainWatch.objects.filter(pk=domain).first()
    if row is not None and row.server_host == host and timedelta(0) <= now - row.seen_at < every:
        return row
    check = latest_check(domain, host)
    if check is None or check.finished_at is None or now - check.finished_at >= every:
        try:
            ask(domain, host)
        except TooManyChecks:
            return row
        return row
    return _stored(row, domain, host, _parts(check.result), check.finished_at)


def _parts(result: Mapping[str, Any]) -> dict[str, Any]:
    parts = result.get("parts") or {}
    return {
        name: {"slug": part["slug"], "status": part["status"], "record": part["record"]}
        for name, part in parts.items() if name in _PARTS
    }


def _stored(
    row: DomainWatch | None, domain: str, host: str, parts: dict[str, Any], seen_at: datetime
) -> DomainWatch:
    """Through another server other records are right, so that its first look is a baseline again."""
    if row is None or row.server_host != host:
        row = DomainWatch(domain=domain, server_host=host, baseline=parts, baseline_at=seen_at)
    # What was not answered then is learned now.
    before = row.baseline
    known = {
        name: part for name, part in parts.items() if before.get(name, {}).get("status", "unknown") == "unknown"
    }
    row.baseline = {**row.baseline, **known}
    row.seen, row.seen_at = parts, seen_at
    row.save()
    return row


def _drift(row: DomainWatch, parts: list[str]) -> Found:
    shown = [f"{name.upper()}: {(row.baseline.get(name) or {}).get('record') or '–'}\n"
             f"  → {(row.seen.get(name) or {}).get('record') or '–'}" for name in parts]
    names = ", ".join("DNS" if name == "domain" else name.upper() for name in parts)
    return Found(
        row.domain, row.domain, worded("The DNS of {domain} changed: {parts}", domain=row.domain, parts=names),
        worded("It is not what it was on {date}. Recipients may refuse mail from this domain, or sort it as junk.",
               date=f"{row.baseline_at:%Y-%m-%d}"),
        (
            worded("Put the records back, or accept the change where it is meant."),
            worded("The page of the server that sends for it shows what each record should say."),
        ),
        "\n".join(shown)[:2_000], f"/alerts#domain-{row.domain}",
    )
