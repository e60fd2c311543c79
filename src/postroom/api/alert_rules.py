"""Rules for alerts, and whom alerts go to."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from pydantic import Field, StrictBool, StrictInt, StrictStr

from postroom.flow.alerts import alert_rules as rules
from postroom.flow.alerts.alert_settings import alert_settings, change_alert_settings
from postroom.flow.alerts.alert_words import name_of_rule
from postroom.flow.instance.reader import translated
from postroom.policy.alert_kinds import KINDS
from postroom.store.models import AlertRule

from .access import ADMINISTERING, READING, actor_of
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Alerts"])
Id = Annotated[str, Field(max_length=26)]
Severity = Literal["warning", "critical"]
Addresses = Annotated[tuple[Annotated[StrictStr, Field(max_length=320)], ...], Field(max_length=rules.ADDRESSES)]
Settings = Annotated[
    dict[Annotated[StrictStr, Field(max_length=50)], StrictInt],
    Field(max_length=10, description="By name, as `parameters` of the rule tells them."),
]
Number = Annotated[StrictInt, Field(ge=0, le=1_000_000)]
Clock = Annotated[StrictStr, Field(max_length=5, description='"HH:MM" in the site\'s time zone; "" for none.')]


class ParameterOut(Schema):
    """One number that can be set, with what it is where nobody has set it."""

    name: str
    label: str
    default: int
    least: int
    most: int


class AlertRuleOut(Schema):
    """When to warn. The id of a built-in rule is its kind. `addresses` empty: whom `alert-settings` names."""

    id: str
    kind: str
    title: str
    explanation: str
    built_in: bool
    name: str
    enabled: bool
    severity: Severity
    settings: dict[str, int]
    parameters: list[ParameterOut]
    addresses: list[str]


class AlertRules(Schema):
    alert_rules: list[AlertRuleOut]


class AlertRuleChange(Strict):
    """Changes to a rule: only the fields that are there change."""

    name: Annotated[StrictStr, Field(max_length=rules.NAME_CHARACTERS)] = ""
    enabled: StrictBool = True
    severity: Severity = "warning"
    settings: Settings = Field(default_factory=dict)
    addresses: Addresses = ()


class AlertRuleIn(AlertRuleChange):
    """One more rule of a kind."""

    kind: Annotated[StrictStr, Field(max_length=26, description=", ".join(KINDS))]


class AlertSettingsOut(Schema):
    """Whom alerts go to and when."""

    addresses: list[str]
    digest_minutes: int
    remind_hours: int
    escalate_minutes: int
    escalate_to: list[str]
    quiet_from: str
    quiet_until: str
    tell_closed: bool


class AlertSettingsIn(Strict):
    """Only the fields that are there change."""

    addresses: Annotated[Addresses, Field(description="Empty: all administrators.")] = ()
    digest_minutes: Annotated[Number, Field(description="Warnings wait so long for others.")] = 10
    remind_hours: Annotated[Number, Field(description="0: no reminders.")] = 24
    escalate_minutes: Annotated[Number, Field(description="Unacknowledged for so long: escalate_to; 0: never.")] = 0
    escalate_to: Addresses = ()
    quiet_from: Clock = ""
    quiet_until: Clock = ""
    tell_closed: StrictBool = True


@router.get("/alert-rules", auth=READING, response=AlertRules, summary="List the rules for alerts")
def list_alert_rules(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"alert_rules": [_json(row) for row in rules.rules_in_order()]}


@router.post("/alert-rules", auth=ADMINISTERING, response={201: AlertRuleOut}, summary="Add a rule of a kind")
def create_alert_rule(request: HttpRequest, body: AlertRuleIn) -> Status[dict[str, Any]]:
    refuse_unknown_query(request)
    values = body.model_dump(exclude_unset=True)
    kind = values.pop("kind")
    return Status(201, _json(rules.add_rule(kind, values, actor_of(request))))


@router.get("/alert-rules/{rule_id}", auth=READING, response=AlertRuleOut, summary="One rule")
def get_alert_rule(request: HttpRequest, rule_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return _json(_rule(rule_id))


@router.patch("/alert-rules/{rule_id}", auth=ADMINISTERING, response=AlertRuleOut, summary="Change a rule")
def change_alert_rule(request: HttpRequest, rule_id: Id, body: AlertRuleChange) -> dict[str, Any]:
    refuse_unknown_query(request)
    return _json(rules.change_rule(_rule(rule_id).pk, body.model_dump(exclude_unset=True), actor_of(request)))


@router.delete(
    "/alert-rules/{rule_id}", auth=ADMINISTERING, response={204: None},
    summary="Remove a rule with its alerts; a built-in one can only be switched off",
)
def delete_alert_rule(request: HttpRequest, rule_id: Id) -> HttpResponse:
    refuse_unknown_query(request)
    rules.remove_rule(_rule(rule_id).pk, actor_of(request))
    return HttpResponse(status=204)


@router.post(
    "/alert-rules/{rule_id}/reset", auth=ADMINISTERING, response=AlertRuleOut,
    summary="Set a rule back to what its kind is at the first start",
)
def reset_alert_rule(request: HttpRequest, rule_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return _json(rules.reset_rule(_rule(rule_id).pk, actor_of(request)))


@router.get("/alert-settings", auth=READING, response=AlertSettingsOut, summary="Whom alerts go to, and when")
def get_alert_settings(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return alert_settings().as_json()


@router.patch(
    "/alert-settings", auth=ADMINISTERING, response=AlertSettingsOut, summary="Change whom alerts go to, and when"
)
def patch_alert_settings(request: HttpRequest, body: AlertSettingsIn) -> dict[str, Any]:
    refuse_unknown_query(request)
    return change_alert_settings(body.model_dump(exclude_unset=True), actor_of(request)).as_json()


def _rule(rule_id: str) -> AlertRule:
    rules.rules_in_order()
    return get_object_or_404(AlertRule, pk=rule_id)


def _json(row: AlertRule) -> dict[str, Any]:
    kind = KINDS[row.kind]
    parameters = [
        {"name": each.name, "label": translated(each.label), "default": each.default, "least": each.least,
         "most": each.most}
        for each in kind.parameters
    ]
    return {
        "id": row.pk, "title": name_of_rule(row), "explanation": translated(kind.explanation),
        "built_in": row.built_in, "parameters": parameters, **rules.rule_json(row),
    }
