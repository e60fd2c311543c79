"""Delivery rules, and what would happen to a message."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Status
from pydantic import Field, StrictBool, StrictInt, StrictStr

from postroom.flow.acceptance.explain_route import question_of, route_of_delivery, route_of_question
from postroom.flow.acceptance.sending_server import ServerRefused
from postroom.flow.instance.reader import translated
from postroom.flow.messages.submitted import Mailboxes, Time
from postroom.flow.servers import delivery_rules as rules
from postroom.policy.explain_route import Route
from postroom.store.models import ApiToken, Delivery, DeliveryRule
from postroom.terms.address import AddressProblem
from postroom.terms.problem import FieldError, invalid_fields

from .access import ADMINISTERING, READING, SENDING_OR_READING, actor_of, token_of
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Delivery rules"])
Id = Annotated[str, Field(max_length=26)]
Purpose = Literal["notification", "report", "communication", "alert"]
Values = Annotated[tuple[Annotated[StrictStr, Field(max_length=320)], ...], Field(max_length=rules.VALUES)]


class RuleIn(Strict):
    """A rule, or changes to one: only the fields that are there change. An empty condition fits every message."""

    name: Annotated[StrictStr, Field(max_length=rules.NAME_CHARACTERS)] = ""
    enabled: StrictBool = True
    server: Annotated[StrictStr | None, Field(max_length=26, description="Id of an SMTP server; needed.")] = None
    purposes: Values = ()
    senders: Annotated[Values, Field(description="From: addresses or domains, *.example.org for those below.")] = ()
    recipient_domains: Annotated[Values, Field(description="All recipients have to be in one of them.")] = ()
    clients: Annotated[Values, Field(description="Ids or names of API tokens.")] = ()
    tags: Values = ()
    min_attempts: Annotated[StrictInt, Field(ge=0, le=rules.ATTEMPTS, description="Tries before it decides.")] = 0
    only: Annotated[StrictBool, Field(description="Wait for this server rather than leave through another.")] = False
    position: Annotated[StrictInt | None, Field(ge=0, le=10_000, description="Place in the order, from 0.")] = None


class RuleOut(Strict):
    """A rule. `server` is null when its server was removed; the rule is passed over then."""

    id: str
    name: str
    position: int
    enabled: bool
    server: str | None
    purposes: list[str]
    senders: list[str]
    recipient_domains: list[str]
    clients: list[str]
    tags: list[str]
    min_attempts: int
    only: bool


class Rules(Strict):
    """All rules in the order in which they are asked."""

    delivery_rules: list[RuleOut]


class RouteIn(Strict):
    """A message that nobody has handed in."""

    to: Annotated[Mailboxes, Field(description="Its recipients, in cc and bcc too.")]
    from_: Annotated[StrictStr, Field(alias="from", max_length=1_000)] = ""
    purpose: Purpose = "notification"
    server: Annotated[StrictStr | None, Field(max_length=100, description="Name or id that the client gives.")] = None
    client: Annotated[StrictStr, Field(max_length=100, description="Id or name of an API token.")] = ""
    tags: Values = ()
    send_at: Time | None = None
    expires_at: Time | None = None
    size_bytes: Annotated[StrictInt, Field(ge=0, le=2**53)] = 0


class StepOut(Strict):
    """One step. `kind`: rule, server, failover, suppressed, held, attempt, retry, expiry, over."""

    kind: str
    text: str
    at: datetime | None
    holds: bool


class RouteOut(Strict):
    """`attempts_at`: when the coming attempts are made if each is put off; empty when there will be none."""

    steps: list[StepOut]
    attempts_at: list[datetime]
    expires_at: datetime


@router.get("/delivery-rules", auth=READING, response=Rules, summary="List delivery rules in their order")
def list_rules(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"delivery_rules": [_json(row) for row in rules.rows_in_order()]}


@router.post("/delivery-rules", auth=ADMINISTERING, response={201: RuleOut}, summary="Add a rule")
def create_rule(request: HttpRequest, body: RuleIn) -> Status[dict[str, Any]]:
    actor, values = actor_of(request), body.model_dump()
    position = values.pop("position")
    with transaction.atomic():
        row = rules.add_rule(values, actor)
        if position is not None:
            rules.move_rule(row.pk, position, actor)
    return Status(201, _json(_rule(row.pk)))


@router.patch("/delivery-rules/{rule_id}", auth=ADMINISTERING, response=RuleOut, summary="Change a rule or its place")
def change_rule(request: HttpRequest, rule_id: Id, body: RuleIn) -> dict[str, Any]:
    actor, values = actor_of(request), body.model_dump(exclude_unset=True)
    position = values.pop("position", None)
    with transaction.atomic():
        row = _rule(rule_id)
        rules.change_rule(row.pk, values, actor)
        if position is not None:
            rules.move_rule(row.pk, position, actor)
    return _json(_rule(row.pk))


@router.delete("/delivery-rules/{rule_id}", auth=ADMINISTERING, response={204: None}, summary="Remove a rule")
def delete_rule(request: HttpRequest, rule_id: Id) -> HttpResponse:
    refuse_unknown_query(request)
    rules.remove_rule(_rule(rule_id).pk, actor_of(request))
    return HttpResponse(status=204)


@router.post(
    "/route", auth=READING, response=RouteOut, by_alias=True, summary="Explain what would happen to a message, and when"
)
def explain_route(request: HttpRequest, body: RouteIn) -> dict[str, Any]:
    refuse_unknown_query(request)
    token = ApiToken.objects.filter(pk=body.client[:26]).first() or ApiToken.objects.filter(name=body.client).first()
    if body.client and token is None:
        raise invalid_fields([FieldError("client", "not-found", "There is no API token of this name or id.")])
    try:
        question = question_of(
            body.to, body.from_, body.purpose, token.pk if token else "", frozenset(body.tags), server=body.server,
            send_at=body.send_at, expires_at=body.expires_at, size_bytes=body.size_bytes,
        )
        return _route_json(route_of_question(question))
    except AddressProblem as problem:
        raise invalid_fields([FieldError("to", "invalid", str(problem))]) from None
    except ServerRefused as refused:
        raise invalid_fields([refused.error]) from None


@router.get(
    "/deliveries/{delivery_id}/route", auth=SENDING_OR_READING, response=RouteOut,
    summary="Explain what will happen to a delivery, and when",
)
def explain_delivery(request: HttpRequest, delivery_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    found, token = Delivery.objects.select_related("message", "server"), token_of(request)
    if token.scope == ApiToken.Scope.SEND:
        found = found.filter(message__client=token)
    return _route_json(route_of_delivery(get_object_or_404(found, pk=delivery_id)))


def _route_json(route: Route) -> dict[str, Any]:
    steps = [
        {"kind": str(s.kind), "text": translated(s.text), "at": s.at, "holds": s.holds} for s in route.steps
    ]
    return {"steps": steps, "attempts_at": list(route.attempts_at), "expires_at": route.expires_at}


def _rule(rule_id: str) -> DeliveryRule:
    return get_object_or_404(DeliveryRule, pk=rule_id)


def _json(row: DeliveryRule) -> dict[str, Any]:
    return {"id": row.pk, **rules.rule_json(row)}
