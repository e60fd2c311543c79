"""What happened to one delivery, the newest on top: the next try, each attempt, what people did, the acceptance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from postroom.flow.instance.reader import told
from postroom.pages import words
from postroom.store.models import Attempt, AuditEntry, Delivery, Message
from postroom.terms.outcome import DeliveryState

from .came_back import LOOKS, bounces_of, title_of
from .messages import names_of, when

# A thousand tries of one delivery would take a year.
ATTEMPTS = 1_000
_AT_ONCE_S = 60.0
_WAITING = (DeliveryState.QUEUED, DeliveryState.DEFERRED)


@dataclass(frozen=True, slots=True)
class Happening:
    """An entry of the timeline. `then` tells what came after, `quote` is the server's own reply.

    `members` are the tries that this entry stands for, where it stands for several.
    """

    state: str
    title: str
    at: str
    server: str = ""
    then: str = ""
    quote: str = ""
    finding: dict[str, Any] = field(default_factory=dict)
    members: tuple["Happening", ...] = ()
    moment: datetime | None = None


def timeline(message: Message, delivery: Delivery) -> list[Happening]:
    """The delivery's whole story."""
    attempts = list(delivery.attempts.order_by("-number")[:ATTEMPTS])
    later = {attempt.number - 1: attempt for attempt in attempts}
    happenings = [_next(delivery)] if delivery.state in _WAITING else []
    past = [*_folded(attempts, later), *_deeds(message), *_came_back(delivery)]
    past.sort(key=lambda h: h.moment or message.created_at, reverse=True)
    return [*happenings, *past, _acceptance(message)]


def _next(delivery: Delivery) -> Happening:
    title = _("Next: try %(number)s") % {"number": delivery.attempt_count + 1}
    return Happening("waiting", title, when(delivery.due_at), delivery.server.name if delivery.server else "")


def _folded(attempts: Sequence[Attempt], later: Mapping[int, Attempt]) -> list[Happening]:
    """An entry for each attempt; older ones that came to the same one after the other share one."""
    entries = [_attempt(attempt, later.get(attempt.number)) for attempt in attempts[:1]]
    for _same, group in groupby(attempts[1:], key=_likeness):
        alike = list(group)
        members = tuple(_attempt(attempt, later.get(attempt.number)) for attempt in alike)
        entries.append(members[0] if len(members) == 1 else _several(alike, members))
    return entries


def _likeness(attempt: Attempt) -> tuple[str, str, str, str, str]:
    return attempt.server_name, attempt.outcome, attempt.cause, attempt.reply, attempt.moved_to


def _several(attempts: Sequence[Attempt], members: tuple[Happening, ...]) -> Happening:
    """One entry for attempts that came to the same, the newest of them first."""
    newest, oldest = attempts[0], attempts[-1]
    values = {"first": oldest.number, "last": newest.number, "what": _what(newest)}
    same_day = timezone.localtime(oldest.started_at).date() == timezone.localtime(newest.started_at).date()
    until = words.clock(newest.started_at) if same_day else when(newest.started_at)
    times = {"first": when(oldest.started_at), "last": until}
    if len(attempts) == 2:
        title, at = _("Tries %(first)s and %(last)s: %(what)s") % values, _("%(first)s, %(last)s") % times
    else:
        title, at = _("Tries %(first)s to %(last)s: %(what)s") % values, _("%(first)s to %(last)s") % times
    return Happening(
        members[0].state, title, at, newest.server_name, _("The same reply each time."), "",
        members[0].finding, members, newest.started_at,
    )


def _attempt(attempt: Attempt, following: Attempt | None) -> Happening:
    state = attempt.outcome or "sending"
    title = _("Try %(number)s: %(what)s") % {"number": attempt.number, "what": _what(attempt)}
    at = exactly(attempt.started_at)
    if attempt.ended_at is not None:
        took = words.measured((attempt.ended_at - attempt.started_at).total_seconds(), "s", 1)
        at = _("%(at)s, %(took)s") % {"at": at, "took": took}
    finding = {} if state == "sent" else told(attempt.finding)
    return Happening(
        state, title, at, attempt.server_name, _after(attempt, following), attempt.reply, finding, (),
        attempt.started_at,
    )


def _what(attempt: Attempt) -> str:
    reason = str(told(attempt.finding).get("title", "")).rstrip(".")
    return words.first_lower(reason) if reason else _plain(attempt.outcome or "sending")


def exactly(at: datetime) -> str:
    """With seconds, and the day where it is not today."""
    clock = words.exact_clock(at)
    is_today = timezone.localtime(at).date() == timezone.localdate()
    return clock if is_today else _("%(day)s, %(clock)s") % {"day": words.day(at), "clock": clock}


def _plain(state: str) -> str:
    return {
        "sent": _("accepted by the server"),
        "sending": _("under way"),
        "deferred": _("asked to try later"),
        "failed": _("refused"),
        "uncertain": _("the connection ended before the reply"),
    }.get(state, state)


def _after(attempt: Attempt, following: Attempt | None) -> str:
    """What became of the delivery after an attempt that was not the last."""
    if attempt.moved_to:
        return _("Moved to %(server)s at once.") % {"server": attempt.moved_to}
    if following is None or attempt.ended_at is None:
        return ""
    seconds = (following.started_at - attempt.ended_at).total_seconds()
    if seconds < _AT_ONCE_S:
        return _("Then tried again.")
    return _("Then waited %(span)s.") % {"span": words.span(seconds)}


def _came_back(delivery: Delivery) -> list[Happening]:
    """What was reported about it after it was sent."""
    return [
        Happening(
            LOOKS.get(bounce.kind, ""), title_of(bounce), exactly(bounce.at), bounce.reporter, "", bounce.diagnostic,
            told(bounce.finding), moment=bounce.at,
        )
        for bounce in bounces_of(delivery)
    ]


def _deeds(message: Message) -> list[Happening]:
    """What people did to the message, from the audit trail."""
    entries = list(AuditEntry.objects.filter(subject=message.pk).order_by("-at")[:100])
    names = names_of(entry.actor for entry in entries)
    titles = {
        "message.cancel": ("cancelled", _("Cancelled")),
        "message.undo-cancel": ("queued", _("Cancelling undone")),
        "message.retry": ("queued", _("Retry asked for")),
        "message.resend": ("queued", _("Resent")),
    }
    happenings = []
    for entry in entries:
        if entry.action not in titles:
            continue
        state, title = titles[entry.action]
        number = int(entry.changes.get("deliveries", 0))
        who = _("By %(name)s.") % {"name": names.get(entry.actor, entry.actor)}
        many = ngettext("%(n)s recipient.", "%(n)s recipients.", number) % {"n": number}
        then = f"{who} {many}" if number > 1 else who
        happenings.append(Happening(state, title, exactly(entry.at), "", then, moment=entry.at))
    return happenings


def _acceptance(message: Message) -> Happening:
    at = exactly(message.created_at)
    return Happening("accepted", _("Accepted into the queue"), at, "", _origin(message), moment=message.created_at)


def _origin(message: Message) -> str:
    if message.resend_of_id:
        return _("Resent by %(name)s") % {"name": message.client_name}
    if message.client is not None:
        return _("From “%(name)s”, by its API token") % {"name": message.client_name}
    return _("From “%(name)s”") % {"name": message.client_name} if message.client_name else ""
