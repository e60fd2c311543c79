"""Alerts: what is wrong, what was, and that somebody has taken it on."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field, StrictStr

from postroom.flow.alerts.alert_conditions.sender_domains import accept_difference
from postroom.flow.alerts.alert_words import said, steps_of, title_of_alert
from postroom.flow.alerts.alerts import NOTE_CHARACTERS, acknowledge
from postroom.flow.instance.refusals import NotPossible
from postroom.store.models import Alert
from postroom.terms.wording import worded

from .access import ADMINISTERING, READING, actor_of
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Alerts"])
Id = Annotated[str, Field(max_length=26)]
Severity = Literal["warning", "critical"]


class AlertOut(Schema):
    """One thing that is or was wrong. `key` tells it from others of its rule, `subject` is what people call it;
    `evidence` quotes what others said. It is open while `closed_at` is null."""

    id: str
    rule: str
    kind: str
    key: str
    subject: str
    severity: Severity
    title: str
    text: str
    fix: list[str]
    evidence: str
    link: str
    opened_at: datetime
    closed_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    note: str
    told_at: datetime | None


class Alerts(Schema):
    alerts: list[AlertOut]
    next_before: str | None


class AlertFilter(Schema):
    state: Literal["open", "closed", "all"] = "open"
    kind: Annotated[str | None, Field(max_length=26)] = None
    severity: Severity | None = None
    before: Annotated[str | None, Field(max_length=26, description="`next_before` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class AcknowledgeIn(Strict):
    note: Annotated[StrictStr, Field(max_length=NOTE_CHARACTERS, description="For whoever looks later.")] = ""


@router.get("/alerts", auth=READING, response=Alerts, summary="List alerts, newest first; by itself the open ones")
def list_alerts(request: HttpRequest, query: Query[AlertFilter]) -> dict[str, Any]:
    refuse_unknown_query(request, AlertFilter)
    found = Alert.objects.all()
    if query.state != "all":
        found = found.filter(closed_at__isnull=query.state == "open")
    given = {"kind": query.kind, "severity": query.severity, "pk__lt": query.before}
    found = found.filter(**{name: value for name, value in given.items() if value is not None})
    rows = list(found.order_by("-pk")[: query.limit])
    return {
        "alerts": [alert_json(row) for row in rows],
        "next_before": rows[-1].pk if len(rows) == query.limit else None,
    }


@router.get("/alerts/{alert_id}", auth=READING, response=AlertOut, summary="One alert")
def get_alert(request: HttpRequest, alert_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return alert_json(get_object_or_404(Alert, pk=alert_id))


@router.post(
    "/alerts/{alert_id}/acknowledge", auth=ADMINISTERING, response=AlertOut,
    summary="Take an alert on: no more reminders, no escalation",
)
def acknowledge_alert(request: HttpRequest, alert_id: Id, body: AcknowledgeIn) -> dict[str, Any]:
    refuse_unknown_query(request)
    row = get_object_or_404(Alert, pk=alert_id)
    return alert_json(acknowledge(row.pk, actor_of(request), timezone.now(), body.note))


@router.post(
    "/alerts/{alert_id}/accept", auth=ADMINISTERING, response=AlertOut,
    summary="Take the DNS of a sender's domain as right that an alert is about",
)
def accept_change(request: HttpRequest, alert_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    row = get_object_or_404(Alert, pk=alert_id)
    if row.kind != "domain-drift" or not accept_difference(row.key, actor_of(request), timezone.now()):
        raise NotPossible(worded("There is nothing to accept: only a change of a domain's DNS can be."))
    return alert_json(row)


def alert_json(row: Alert) -> dict[str, Any]:
    """A row as `AlertOut`, in the active language."""
    return {
        "id": row.pk, "rule": row.rule_id, "kind": row.kind, "key": row.key, "subject": row.subject,
        "severity": row.severity, "title": title_of_alert(row), "text": said(row.text), "fix": steps_of(row),
        "evidence": row.evidence, "link": row.link, "opened_at": row.opened_at, "closed_at": row.closed_at,
        "acknowledged_at": row.acknowledged_at, "acknowledged_by": row.acknowledged_by, "note": row.note,
        "told_at": row.told_at,
    }
