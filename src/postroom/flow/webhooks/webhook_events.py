"""Webhook events: what a webhook is told of an event, in one form for all kinds.

The triggers note what is gone a moment later; what stays, such as a message's subject and tags, is looked up here."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from postroom.policy.anymail import in_anymail_words
from postroom.store.dialect import time_of
from postroom.store.ids import new_id
from postroom.store.models import Alert, Event, Message, Run, SmtpServer
from postroom.terms.event import EventKind
from postroom.terms.wording import Wording

Facts = Mapping[str, Any]
# Without an attempt of their own there is nothing that a server said.
_WITHOUT_REPLY = (EventKind.QUEUED, EventKind.CANCELLED)
_TRIED_AGAIN = ("deferred", "uncertain")


def event_json(kind: EventKind, at: datetime, data: Facts, id_: str = "") -> dict[str, Any]:
    """One event as it is sent. Its id is the same for every webhook that hears of it, and each time it is sent."""
    stamp = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {"id": id_ or new_id(), "type": str(kind), "timestamp": stamp, "data": dict(data)}


def body_of(events: Sequence[Facts]) -> str:
    """The body of a request that tells of these events. Halves of characters, which JSON can hold and UTF-8 can't, are
    replaced."""
    text = json.dumps({"events": list(events)}, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()


def told(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Each event as it is sent (blocking)."""
    known = _Known(events)
    return [event_json(EventKind(row.kind), row.at, _data(EventKind(row.kind), row.facts, known)) for row in events]


class _Known:
    """What the events name, read together."""

    def __init__(self, events: Sequence[Event]) -> None:
        facts = [row.facts for row in events]
        self.messages = Message.objects.only(
            "message_id", "subject", "purpose", "tags", "metadata", "client_name", "list_name"
        ).in_bulk(_ids(facts, "message"))
        self.servers = dict(SmtpServer.objects.filter(pk__in=_ids(facts, "server")).values_list("pk", "name"))
        self.runs = Run.objects.select_related("subscription").in_bulk(_ids(facts, "run"))
        self.alerts = Alert.objects.in_bulk(_ids(facts, "alert"))


def _ids(facts: Iterable[Facts], name: str) -> list[str]:
    return list({str(each[name]) for each in facts if each.get(name)})


def _data(kind: EventKind, facts: Facts, known: _Known) -> dict[str, Any]:
    if "run" in facts:
        return _run(facts, known.runs.get(facts["run"]))
    if "alert" in facts:
        return _alert(facts, known.alerts.get(facts["alert"]))
    words = in_anymail_words(kind, facts.get("cause") or "")
    anymail = {"event_type": words.event_type, "reject_reason": words.reject_reason} if words else None
    if kind is EventKind.UNSUBSCRIBED:
        return {"recipient": facts["recipient"], "list": facts["list"] or None, "anymail": anymail}
    message = _message(facts["message"], known.messages.get(facts["message"]))
    is_bounce = kind in (EventKind.BOUNCED, EventKind.COMPLAINED)
    what = {"bounce": _bounce(facts)} if is_bounce else {"delivery": _delivery(kind, facts, known)}
    return {"message": message, "recipient": facts["recipient"], **what, "anymail": anymail}


def _message(id_: str, row: Message | None) -> dict[str, Any]:
    """Of a message that is gone already, its id."""
    if row is None:
        return {"id": id_}
    return {
        "id": id_, "message_id": row.message_id, "subject": row.subject, "purpose": row.purpose, "tags": row.tags,
        "metadata": row.metadata, "client": row.client_name or None, "list": row.list_name or None,
    }


def _delivery(kind: EventKind, facts: Facts, known: _Known) -> dict[str, Any]:
    due_at = facts["due_at"] if facts["state"] in _TRIED_AGAIN else None
    return {
        "id": facts["delivery"], "state": facts["state"], "attempt": facts["attempt"],
        "server": known.servers.get(facts["server"] or ""),
        "cause": facts["cause"] or None,
        "reply": (None if kind in _WITHOUT_REPLY else facts["reply"]) or None,
        "next_attempt_at": None if due_at is None else time_of(due_at).isoformat().replace("+00:00", "Z"),
    }


def _bounce(facts: Facts) -> dict[str, Any]:
    return {
        "delivery": facts["delivery"], "status": facts["status"] or None, "reply": facts["reply"] or None,
        "cause": facts["cause"] or None, "permanent": bool(facts["permanent"]),
    }


def _run(facts: Facts, row: Run | None) -> dict[str, Any]:
    run = {name: facts[name] for name in ("state", "cause", "try", "planned", "queued", "left_out")}
    nominal_at = row.nominal_at if row else None
    return {
        "run": {"id": facts["run"], **run, "nominal_at": nominal_at.isoformat() if nominal_at else None},
        "subscription": {"id": facts["subscription"], "name": row.subscription.name if row else None},
    }


def _alert(facts: Facts, row: Alert | None) -> dict[str, Any]:
    title = str(Wording.from_json(row.title)) if row and row.title else None
    text = str(Wording.from_json(row.text)) if row and row.text else None
    return {"alert": {
        "id": facts["alert"], "kind": facts["kind"], "about": facts["about"] or None, "severity": facts["severity"],
        "title": title, "text": text, "url": f"{settings.PUBLIC_URL}{facts['link']}" if facts["link"] else None,
    }}
