"""Mail about alerts: who is told what, decided and noted in one commit, then queued once, through another server than
the one it is about."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings as site_settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from postroom.policy.alert_kinds import Severity
from postroom.policy.alerts import Event, Standing, may_leave, pending
from postroom.store.models import Alert, AlertNotice, AlertRule, IdempotencyKey, Subscriber, User
from postroom.terms.problem import Problem

from ..acceptance.accept import Acceptor
from ..instance.instance import LANGUAGES, Site, site
from ..messages.request import Person, scope_of
from ..recipients.recipients import Addressed, addressed
from ..servers.server_order import servers_in_order
from ..templates.own_text import own_text
from .alert_settings import AlertSettings, alert_settings
from .alert_words import said, steps_of, title_of_alert

CLIENT = Person("alerts", "Alerts")
PRIORITY = 10
_CLOSINGS_FOR = timedelta(days=2)
_GIVE_UP_AFTER = timedelta(days=1)
_AT_ONCE = 20
# Fields of an alert that note when the event was told.
_NOTED = {
    Event.OPENED: ("told_at",), Event.REMINDER: ("reminded_at",), Event.ESCALATED: ("escalated_at",),
    Event.CLOSED: ("told_at", "closing_told_at"),
}

_log = structlog.get_logger("postroom.alerts")
News = tuple[Alert, Event]


def decide_notices(now: datetime) -> int:
    """Note who is to be told what now; how many mails that makes (blocking)."""
    with transaction.atomic():
        chosen, home = alert_settings(), site()
        leaving = _leaving(_waiting(chosen, now), chosen, now, home.zone)
        by_address = _by_address(leaving, chosen)
        AlertNotice.objects.bulk_create(
            AlertNotice(address=address, news=[{"alert": row.pk, "event": str(event)} for row, event in news],
                        created_at=now, due_at=now)
            for address, news in by_address.items()
        )
        for row, event in leaving:
            Alert.objects.filter(pk=row.pk).update(**dict.fromkeys(_NOTED[event], now))
    return len(by_address)


async def queue_notices(acceptor: Acceptor, now: datetime) -> int:
    """Queue what is to be told; how many mails. What can't be queued is tried again later, and says why."""
    queued = 0
    for notice in await sync_to_async(_due)(now):
        body = await sync_to_async(_body)(notice)
        if body is None:
            continue
        try:
            accepted = await acceptor.accept(body, CLIENT, _key(notice))
            message_id = accepted.enqueued.id
        except Problem as problem:
            message_id = await sync_to_async(_queued_before)(notice)
            if not message_id:
                await sync_to_async(_put_off)(notice, problem, now)
                continue
        await sync_to_async(_note_queued)(notice, message_id)
        queued += 1
    return queued


def standing_of(row: Alert) -> Standing:
    """An alert as policy sees it."""
    return Standing(
        Severity(row.severity), row.opened_at, row.closed_at, row.acknowledged_at, row.told_at, row.reminded_at,
        row.escalated_at, row.closing_told_at,
    )


def _waiting(chosen: AlertSettings, now: datetime) -> list[News]:
    rows = [*Alert.objects.filter(closed_at=None).select_related("rule"),
            *Alert.objects.filter(closed_at__gt=now - _CLOSINGS_FOR, closing_told_at=None).select_related("rule")]
    found = ((row, pending(standing_of(row), chosen.telling, now)) for row in rows)
    return [(row, event) for row, event in found if event is not None]


def _leaving(waiting: Sequence[News], chosen: AlertSettings, now: datetime, zone: tzinfo) -> list[News]:
    """What may leave now to everybody who is to get it: it is noted as told once, for all of them."""
    held: set[str] = set()
    for news in _by_address(waiting, chosen).values():
        if not may_leave([(standing_of(row), event) for row, event in news], chosen.telling, now, zone):
            held.update(row.pk for row, _event in news)
    return [(row, event) for row, event in waiting if row.pk not in held]


def _by_address(waiting: Sequence[News], chosen: AlertSettings) -> dict[str, list[News]]:
    usual, found = chosen.recipients, dict[str, list[News]]()
    for row, event in waiting:
        names = chosen.escalate_to if event is Event.ESCALATED else (row.rule.addresses or usual)
        for address in names:
            found.setdefault(address, []).append((row, event))
    return found


def _due(now: datetime) -> list[AlertNotice]:
    rows = AlertNotice.objects.filter(message_id="", given_up_at=None, due_at__lte=now)
    return list(rows.order_by("due_at")[:_AT_ONCE])


def _body(notice: AlertNotice) -> dict[str, Any] | None:
    """The mail; None, and no notice any more, where its alerts went with their rule."""
    rows = Alert.objects.select_related("rule").in_bulk([item["alert"] for item in notice.news])
    news = [(rows[item["alert"]], Event(item["event"])) for item in notice.news if item["alert"] in rows]
    if not news:
        notice.delete()
        return None
    one = _reader(notice.address)
    with override(one.language):
        values = _values(news, site())
    made = own_text("alert" if len(news) == 1 else "digest", one, values)
    body: dict[str, Any] = {
        "to": [notice.address], "subject": made.subject, "text": made.text, "purpose": "alert", "priority": PRIORITY,
        "attachments": list(made.attachments), "tags": ["alert"],
    }
    if made.html:
        body["html"] = made.html
    if server := other_server({row.server_id for row, _event in news if row.server_id}):
        body["server"] = server
    return body


def other_server(concerned: set[str]) -> str:
    """The id of a server that works and that no news is about, "" where all work or none does: then rules and
    failover choose as always."""
    servers = [row for row in servers_in_order() if not row.is_sandbox]
    if not concerned and all(row.failing_since is None for row in servers):
        return ""
    well = (row for row in servers if row.takes_deliveries and row.failing_since is None and row.pk not in concerned)
    return next((row.pk for row in well), "")


def _reader(address: str) -> Addressed:
    """Who reads it: a recipient's language, else a user's, else the site's."""
    (one,) = addressed([Subscriber(address=address)])
    user = User.objects.filter(email__iexact=address).only("language", "name").first()
    language = user.language if user is not None and user.language else one.language
    name = one.name or (user.name if user is not None else "")
    return Addressed(
        one.address, one.address_key, name, language if language in LANGUAGES else "en", one.time_zone, one.values
    )


def _values(news: Sequence[News], home: Site) -> dict[str, Any]:
    """What the templates alert and digest get, in the active language."""
    told = [_told(row, event, home) for row, event in news]
    if len(told) == 1:
        return told[0]
    critical = sum(row.severity == Severity.CRITICAL and row.closed_at is None for row, _event in news)
    title = _("%(n)d alerts") % {"n": len(told)}
    if critical:
        title = _("%(n)d alerts, %(critical)d critical") % {"n": len(told), "critical": critical}
    return {"title": f"[{home.name}] {title}", "alerts": told, "link": f"{site_settings.PUBLIC_URL}/alerts"}


def _told(row: Alert, event: Event, home: Site) -> dict[str, Any]:
    heads = {
        Event.OPENED: "%(title)s", Event.REMINDER: _("Still: %(title)s"),
        Event.ESCALATED: _("Nobody has acknowledged: %(title)s"), Event.CLOSED: _("Over: %(title)s"),
    }
    labels = {Severity.CRITICAL: _("Critical"), Severity.WARNING: _("Warning")}
    times = {name: f"{at.astimezone(home.zone):%Y-%m-%d %H:%M %Z}" if at else "" for name, at in
             (("since", row.opened_at), ("until", row.closed_at))}
    facts = [{"label": _("Since"), "value": times["since"]}]
    if times["until"]:
        facts.append({"label": _("Until"), "value": times["until"]})
    return {
        "title": f"[{home.name}] " + heads[event] % {"title": title_of_alert(row)}, "event": str(event),
        "severity": str(row.severity), "severity_label": labels[Severity(row.severity)], "text": said(row.text),
        "fix": [] if event is Event.CLOSED else steps_of(row), "evidence": row.evidence, "facts": facts, **times,
        "link": f"{site_settings.PUBLIC_URL}/alerts/{row.pk}",
    }


def _key(notice: AlertNotice) -> str:
    return f"alert-notice-{notice.pk}"


def _queued_before(notice: AlertNotice) -> str:
    """The message that was queued before this process, or the one before it, could note it."""
    row = IdempotencyKey.objects.filter(scope=scope_of(CLIENT), key=_key(notice)).first()
    return row.message_id if row is not None else ""


def _note_queued(notice: AlertNotice, message_id: str) -> None:
    AlertNotice.objects.filter(pk=notice.pk).update(message_id=message_id, fault="")


def _put_off(notice: AlertNotice, problem: Problem, now: datetime) -> None:
    """Later and later, up to an hour, for a day; then its reader finds it on the page alone."""
    said_why = "; ".join([problem.detail, *(f"{error.field}: {error.text}" for error in problem.errors)])[:500]
    _log.error("a mail about alerts could not be queued", notice=notice.pk, problem=said_why)
    gives_up = now - notice.created_at >= _GIVE_UP_AFTER
    AlertNotice.objects.filter(pk=notice.pk).update(
        tries=notice.tries + 1, fault=said_why, given_up_at=now if gives_up else None,
        due_at=now + timedelta(minutes=min(2**min(notice.tries, 6), 60)),
    )


def rules_told(rule: AlertRule, chosen: AlertSettings) -> list[str]:
    """Who hears of a rule's alerts (blocking)."""
    return list(rule.addresses) or chosen.recipients
