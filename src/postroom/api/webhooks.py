"""Webhooks: who hears of events, what each was told, and telling it again."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import Field, StrictBool, StrictInt, StrictStr

from postroom.flow.messages.submitted import Time
from postroom.flow.webhooks import webhooks
from postroom.flow.webhooks.webhook_history import replay_delivery, replay_since
from postroom.flow.webhooks.webhook_send import send_test
from postroom.store.models import ApiToken, Webhook, WebhookDelivery
from postroom.terms.event import SUBSCRIBABLE
from postroom.terms.wording import Wording

from .access import ADMINISTERING, READING, actor_of, token_of
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Webhooks"])
Id = Annotated[str, Field(max_length=26)]
State = Literal["waiting", "succeeded", "failed"]
Purpose = Literal["notification", "report", "communication", "alert"]
_EVENTS = f"What it hears of, [] for everything: {', '.join(SUBSCRIBABLE)}."


class WebhookIn(Strict):
    """A webhook, or changes to one: only the fields that are there change."""

    name: Annotated[StrictStr, Field(max_length=webhooks.NAME_CHARACTERS)] = ""
    url: Annotated[StrictStr, Field(max_length=webhooks.URL_CHARACTERS, description="Takes the requests.")] = ""
    events: Annotated[
        tuple[Annotated[StrictStr, Field(max_length=100)], ...], Field(max_length=100, description=_EVENTS)
    ] = ()
    tags: Annotated[
        tuple[Annotated[StrictStr, Field(min_length=1, max_length=webhooks.TAG_CHARACTERS)], ...],
        Field(max_length=webhooks.TAGS, description="Of messages it hears where they have one of these; [] for any."),
    ] = ()
    purposes: Annotated[
        tuple[Purpose, ...], Field(max_length=4, description="Of messages it hears of these purposes; [] for any.")
    ] = ()


class NewWebhookIn(WebhookIn):
    secret: Annotated[
        StrictStr | None,
        Field(max_length=100, description='Write-only; "whsec_" and the base64 of 24 to 64 octets. Made when missing.'),
    ] = None


class WebhookOut(Schema):
    """A webhook. Its `url` has no query for a token that only reads: it may hold a secret of the receiver's.

    `paused_for`: null while it works, manual, failing (for three days), gone (it answered 410) or backlog (more waited
    than is kept). `failures` counts attempts since the last success."""

    id: str
    name: str
    url: str
    events: list[str]
    tags: list[str]
    purposes: list[Purpose]
    paused_for: Literal["manual", "failing", "gone", "backlog"] | None
    paused_at: datetime | None
    failures: int
    failing_since: datetime | None
    last_success_at: datetime | None
    last_problem: str | None
    waiting: int
    former_secret_until: datetime | None
    created_at: datetime


class WithSecret(WebhookOut):
    """`secret` is told this once."""

    secret: str


class Webhooks(Schema):
    webhooks: list[WebhookOut]


class SecretIn(Strict):
    keep_former_s: Annotated[
        StrictInt, Field(ge=0, le=30 * 86_400, description="How long the former secret signs beside it.")
    ] = int(webhooks.BOTH_SIGN.total_seconds())


class WebhookAttemptOut(Schema):
    """One try. `status` is the receiver's, null where none came; `answer` is the beginning of what it said."""

    at: datetime
    seconds: float
    status: int | None
    problem: str | None
    answer: str


class WebhookDeliveryOut(Schema):
    """One request: its `id` is the `Webhook-Id`. `attempts` are the latest ten."""

    id: str
    state: State
    events: list[str]
    event_count: int
    created_at: datetime
    due_at: datetime | None
    ended_at: datetime | None
    attempt_count: int
    attempts: list[WebhookAttemptOut]
    replayed_by: str | None


class WholeDeliveryOut(WebhookDeliveryOut):
    """With the body as it is sent."""

    body: str


class WebhookDeliveries(Schema):
    deliveries: list[WebhookDeliveryOut]
    next_before: str | None


class WebhookDeliveryFilter(Schema):
    state: State | None = None
    before: Annotated[str | None, Field(max_length=26, description="`next_before` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class ReplayIn(Strict):
    """Which requests to send again: those made from `since` on, and before `until`."""

    since: Time
    until: Time | None = None
    only_failed: StrictBool = True


class Replayed(Schema):
    """How many requests wait now; at most 1,000, the oldest first."""

    requests: int


class WebhookDeliveryId(Schema):
    """The request that was made; it is sent within a second or two, and then has an attempt."""

    id: str


@router.get("/webhooks", auth=READING, response=Webhooks, summary="List webhooks")
def list_webhooks(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"webhooks": [_json(row, request) for row in Webhook.objects.all()]}


@router.post(
    "/webhooks", auth=ADMINISTERING, response={201: WithSecret}, summary="Add a webhook; its secret is told this once"
)
def create_webhook(request: HttpRequest, body: NewWebhookIn) -> Status[dict[str, Any]]:
    refuse_unknown_query(request)
    row, secret = webhooks.add_webhook(body.model_dump(exclude_none=True), actor_of(request))
    return Status(201, {**_json(row, request), "secret": secret})


@router.get("/webhooks/{webhook_id}", auth=READING, response=WebhookOut, summary="One webhook")
def get_webhook(request: HttpRequest, webhook_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return _json(_webhook(webhook_id), request)


@router.patch("/webhooks/{webhook_id}", auth=ADMINISTERING, response=WebhookOut, summary="Change a webhook")
def change_webhook(request: HttpRequest, webhook_id: Id, body: WebhookIn) -> dict[str, Any]:
    refuse_unknown_query(request)
    row = webhooks.change_webhook(_webhook(webhook_id).pk, body.model_dump(exclude_unset=True), actor_of(request))
    return _json(row, request)


@router.delete(
    "/webhooks/{webhook_id}", auth=ADMINISTERING, response={204: None}, summary="Remove a webhook and its history"
)
def delete_webhook(request: HttpRequest, webhook_id: Id) -> HttpResponse:
    refuse_unknown_query(request)
    webhooks.remove_webhook(_webhook(webhook_id).pk, actor_of(request))
    return HttpResponse(status=204)


@router.post("/webhooks/{webhook_id}/pause", auth=ADMINISTERING, response=WebhookOut, summary="Send it nothing more")
def pause_webhook(request: HttpRequest, webhook_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return _json(webhooks.pause_webhook(_webhook(webhook_id).pk, actor_of(request), timezone.now()), request)


@router.post(
    "/webhooks/{webhook_id}/resume", auth=ADMINISTERING, response=WebhookOut, summary="Go on, with what waits at once"
)
def resume_webhook(request: HttpRequest, webhook_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return _json(webhooks.resume_webhook(_webhook(webhook_id).pk, actor_of(request), timezone.now()), request)


@router.post(
    "/webhooks/{webhook_id}/secret", auth=ADMINISTERING, response=WithSecret,
    summary="Make a new secret, told this once",
)
def renew_secret(request: HttpRequest, webhook_id: Id, body: SecretIn) -> dict[str, Any]:
    refuse_unknown_query(request)
    keep = timedelta(seconds=body.keep_former_s)
    row, secret = webhooks.renew_secret(_webhook(webhook_id).pk, actor_of(request), timezone.now(), keep=keep)
    return {**_json(row, request), "secret": secret}


@router.post(
    "/webhooks/{webhook_id}/test", auth=ADMINISTERING, response={202: WebhookDeliveryId},
    summary="Send it the event webhook.test",
)
def test_webhook(request: HttpRequest, webhook_id: Id) -> Status[dict[str, Any]]:
    refuse_unknown_query(request)
    return Status(202, {"id": send_test(_webhook(webhook_id), actor_of(request), timezone.now()).pk})


@router.post(
    "/webhooks/{webhook_id}/replay", auth=ADMINISTERING, response={202: Replayed},
    summary="Send requests of a period again",
)
def replay_webhook(request: HttpRequest, webhook_id: Id, body: ReplayIn) -> Status[dict[str, Any]]:
    refuse_unknown_query(request)
    count = replay_since(
        _webhook(webhook_id), body.since, body.until, actor_of(request), timezone.now(), only_failed=body.only_failed
    )
    return Status(202, {"requests": count})


@router.get(
    "/webhooks/{webhook_id}/deliveries", auth=READING, response=WebhookDeliveries,
    summary="What a webhook was told, newest first",
)
def list_webhook_deliveries(
    request: HttpRequest, webhook_id: Id, query: Query[WebhookDeliveryFilter]
) -> dict[str, Any]:
    refuse_unknown_query(request, WebhookDeliveryFilter)
    given = {"state": query.state, "pk__lt": query.before}
    found = _webhook(webhook_id).deliveries.filter(**{name: v for name, v in given.items() if v is not None})
    rows = list(found.defer("body").order_by("-pk")[: query.limit])
    return {
        "deliveries": [_delivery_json(row) for row in rows],
        "next_before": rows[-1].pk if len(rows) == query.limit else None,
    }


@router.get(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}", auth=READING, response=WholeDeliveryOut,
    summary="One request to a webhook, with its body",
)
def get_webhook_delivery(request: HttpRequest, webhook_id: Id, delivery_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    row = get_object_or_404(WebhookDelivery, pk=delivery_id, webhook_id=webhook_id)
    return {**_delivery_json(row), "body": row.body}


@router.post(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}/replay", auth=ADMINISTERING, response={202: WebhookDeliveryId},
    summary="Send one request again, with the same id and body",
)
def replay_webhook_delivery(request: HttpRequest, webhook_id: Id, delivery_id: Id) -> Status[dict[str, Any]]:
    refuse_unknown_query(request)
    row = get_object_or_404(WebhookDelivery.objects.select_related("webhook"), pk=delivery_id, webhook_id=webhook_id)
    replay_delivery(row, actor_of(request), timezone.now())
    return Status(202, {"id": row.pk})


def _webhook(webhook_id: str) -> Webhook:
    return get_object_or_404(Webhook, pk=webhook_id)


def _json(row: Webhook, request: HttpRequest) -> dict[str, Any]:
    sees_all = token_of(request).scope == ApiToken.Scope.ADMIN
    former_signs = row.previous_until is not None and row.previous_until > timezone.now()
    return {
        "id": row.pk, "name": row.name, "url": row.url if sees_all else webhooks.shown_url(row.url),
        "events": row.events, "tags": row.tags, "purposes": row.purposes, "paused_for": row.paused_for or None,
        "paused_at": row.paused_at,
        "failures": row.failures, "failing_since": row.failing_since, "last_success_at": row.last_success_at,
        "last_problem": row.last_problem or None,
        "waiting": row.deliveries.filter(state=WebhookDelivery.State.WAITING).count(),
        "former_secret_until": row.previous_until if former_signs else None, "created_at": row.created_at,
    }


def _delivery_json(row: WebhookDelivery) -> dict[str, Any]:
    waits = row.state == WebhookDelivery.State.WAITING
    return {
        "id": row.pk, "state": row.state, "events": row.kinds, "event_count": row.event_count,
        "created_at": row.created_at, "due_at": row.due_at if waits else None, "ended_at": row.ended_at,
        "attempt_count": row.attempt_count, "replayed_by": row.replayed_by or None,
        "attempts": [
            {**attempt, "problem": str(Wording.from_json(attempt["problem"])) if attempt["problem"] else None}
            for attempt in row.attempts
        ],
    }
