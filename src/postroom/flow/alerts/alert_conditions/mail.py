"""Mail that does not leave, and mail that fails."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from postroom.store import tallied
from postroom.store.models import SmtpServer
from postroom.store.queue_depth import waiting_for
from postroom.store.tally import Ending
from postroom.terms.wording import worded

from .found import Found, cause_words

_NOT_SENT = (Ending.FAILED, Ending.HELD, Ending.FAULT)
# Nobody can do anything about these in the settings, and whoever is suppressed is so on purpose.
_NO_FAULT = ("recipient-suppressed",)


def queue_old(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """What may leave and has not left for so many minutes."""
    ids = [*SmtpServer.objects.values_list("pk", flat=True), None]
    waiting = [row for row in (waiting_for(id_, now) for id_ in ids) if row.due_since is not None]
    oldest = min((row.due_since for row in waiting if row.due_since is not None), default=now)
    if now - oldest < timedelta(minutes=settings["minutes"]) or oldest == now:
        return []
    number = sum(row.due for row in waiting)
    return [Found(
        "", "", worded("Mail has waited for over {minutes} minutes", minutes=settings["minutes"]),
        worded("{number} deliveries may leave now and have not left. No mail is lost.", number=number),
        (worded("Queue and limits shows what holds each server, and until when."),), link="/queue",
    )]


def failures_by_cause(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """Causes that ended so many attempts within the stretch, and that share of all of them."""
    since, failed = now - timedelta(minutes=settings["minutes"]), Counter[str]()
    for count in tallied.causes_since(since):
        if count.ending in _NOT_SENT and count.cause not in _NO_FAULT:
            failed[count.cause] += count.attempts
    if not failed:
        return []
    attempts = sum(tallied.totals(since, now + timedelta(minutes=5)).values()) or 1
    return [
        _cause(cause, number, attempts, settings["minutes"])
        for cause, number in failed.most_common()
        if number >= settings["at_least"] and number * 100 >= attempts * settings["percent"]
    ]


def _cause(cause: str, number: int, attempts: int, minutes: int) -> Found:
    return Found(
        cause, cause, worded("Many deliveries fail: {cause}", cause=cause_words(cause)),
        worded("{number} of {attempts} attempts within {minutes} minutes ended with it.", number=number,
               attempts=attempts, minutes=minutes),
        (worded("Open one of the messages: it shows cause and fix."),), link=f"/messages?cause={cause}",
    )
