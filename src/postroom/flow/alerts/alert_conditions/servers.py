"""SMTP servers: failing, none that works, limits nearly used up."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings as site_settings

from postroom.store.models import QueueSample, SendRate, SmtpServer
from postroom.store.rates import micros_of, read_spent
from postroom.terms.wording import worded

from .found import Found, cause_words

_SAMPLED = timedelta(hours=1)


def servers_failing(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """Servers in use that have been failing for so many minutes."""
    until = now - timedelta(minutes=settings["minutes"])
    rows = SmtpServer.objects.filter(enabled=True, failing_since__lte=until)
    return [_failing(row) for row in rows if row.state == "failing"]


def no_server(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """No server takes deliveries, or all that do have failed for so many minutes. An installation that knows nothing
    but the sandbox is not broken, and of an only server that fails its own rule tells."""
    real = [row for row in SmtpServer.objects.filter(is_sandbox=False) if row.enabled]
    until = now - timedelta(minutes=settings["minutes"])
    if not real or any(_works(row, until) for row in real) or [row.state for row in real] == ["failing"]:
        return []
    return [Found(
        "", "", worded("No SMTP server takes mail"),
        worded("Every SMTP server is failing, paused or unverified. What is accepted waits; no mail is lost."),
        (worded("Open SMTP configuration and look at the first server: it says what is wrong."),), link="/smtp-servers",
    )]


def quota_near(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """Servers that were given that share of what they take in a day, and the queue where it is that full."""
    return [*_daily(settings["percent"], now), *_queue_size(settings["percent"], now)]


def _failing(row: SmtpServer) -> Found:
    finding = row.failing_finding or {}
    cause, evidence = str(finding.get("cause") or "unknown"), finding.get("evidence") or ()
    return Found(
        row.pk, row.name, worded("{server} is failing", server=row.name),
        worded("Postroom can't send through {server}: {cause}. Mail goes to the next server where there is one, else it"
               " waits.", server=row.name, cause=cause_words(cause)),
        (worded("Open the server and run a live test: it shows cause and fix."),),
        "\n".join(map(str, evidence))[:2_000], f"/smtp-servers/{row.pk}", row.pk,
    )


def _works(row: SmtpServer, until: datetime) -> bool:
    return row.takes_deliveries and (row.failing_since is None or row.failing_since > until)


def _daily(percent: int, now: datetime) -> list[Found]:
    spent = {row.server_id: read_spent((row.arrival_us, row.quarters)) for row in SendRate.objects.all()}
    found = []
    for row in SmtpServer.objects.filter(enabled=True, pk__in=spent):
        most, used = row.typed_settings.limits.messages_per_day, spent[row.pk].used_in_day(micros_of(now))
        if most and used * 100 >= most * percent:
            found.append(Found(
                row.pk, row.name, worded("The daily limit of {server} is nearly used up", server=row.name),
                worded("{server} was given {used} of the {most} messages that it takes in a day. Once they are used up,"
                       " mail goes to the next server, or waits.", server=row.name, used=used, most=most),
                (worded("Raise the limit where the provider allows more, or let rules send some mail another way."),),
                link="/queue",
            ))
    return found


def _queue_size(percent: int, now: datetime) -> list[Found]:
    """By the sample that the engine takes of the queue anyway: counting it anew would cost more than it is worth."""
    sample = QueueSample.objects.filter(at__gt=now - _SAMPLED).order_by("-at").first()
    most, number = int(site_settings.QUEUE_LIMIT), sample.queued + sample.deferred if sample is not None else 0
    if number * 100 < most * percent:
        return []
    return [Found(
        "queue", "", worded("The queue is nearly full"),
        worded("{number} of {most} deliveries are in the queue. Once it is full, new mail is refused.", number=number,
               most=most),
        (worded("Look at what holds the queue, or raise POSTROOM_QUEUE_LIMIT."),), link="/queue",
    )]
