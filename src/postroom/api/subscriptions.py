"""Subscriptions: who gets which report when; run, pause, resume."""

from typing import Annotated, Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import Field

from postroom.flow.acceptance.test_mode import clear_for_subscription, set_for_subscription
from postroom.flow.recipients.left_out import who_left
from postroom.flow.runs.ask_run import run_now, send_to
from postroom.flow.subscriptions import subscribe
from postroom.flow.subscriptions.subscription_values import subscription_values
from postroom.store.models import ApiToken, Run, Subscription
from postroom.terms.problem import forbidden

from .access import ADMINISTERING, READING, SENDING, actor_of, token_of
from .runs import run_json
from .strict_parser import refuse_unknown_query
from .subscription_schemas import Id, Left, RunIn, RunOut, SubscriptionIn, SubscriptionOut, Subscriptions

router = Router(tags=["Subscriptions"])


class SubscriptionFilter(Schema):
    source: Annotated[str | None, Field(max_length=26)] = None
    before: Annotated[str | None, Field(max_length=26, description="`next_before` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


@router.get("/subscriptions", auth=READING, response=Subscriptions, summary="List subscriptions, newest first")
def list_subscriptions(request: HttpRequest, query: Query[SubscriptionFilter]) -> dict[str, Any]:
    refuse_unknown_query(request, SubscriptionFilter)
    found = Subscription.objects.select_related("source", "owner", "template").order_by("-pk")
    if query.source is not None:
        found = found.filter(source=query.source)
    if query.before is not None:
        found = found.filter(pk__lt=query.before)
    rows = list(found[: query.limit])
    return {
        "subscriptions": [subscription_json(row) for row in rows],
        "next_before": rows[-1].pk if len(rows) == query.limit else None,
    }


@router.post("/subscriptions", auth=ADMINISTERING, response={201: SubscriptionOut}, summary="Subscribe to a report")
def create_subscription(request: HttpRequest, body: SubscriptionIn) -> Status[dict[str, Any]]:
    values = body.model_dump(exclude_unset=True)
    mode = values.pop("test_mode", None)
    with transaction.atomic():
        row = subscribe.add_subscription(_plain(values), actor_of(request), timezone.now())
        _set_test_mode(request, row.pk, mode)
    return Status(201, subscription_json(_row(row.pk)))


@router.get(
    "/subscriptions/{subscription_id}", auth=READING, response=SubscriptionOut, summary="One subscription"
)
def get_subscription(request: HttpRequest, subscription_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return subscription_json(_row(subscription_id))


@router.patch(
    "/subscriptions/{subscription_id}", auth=ADMINISTERING, response=SubscriptionOut, summary="Change a subscription"
)
def change_subscription(request: HttpRequest, subscription_id: Id, body: SubscriptionIn) -> dict[str, Any]:
    values = body.model_dump(exclude_unset=True)
    with transaction.atomic():
        row = _row(subscription_id)
        if "test_mode" in values:
            _set_test_mode(request, row.pk, values.pop("test_mode"))
        if values:
            subscribe.change_subscription(row.pk, _plain(values), actor_of(request), timezone.now())
    return subscription_json(_row(subscription_id))


@router.delete(
    "/subscriptions/{subscription_id}", auth=ADMINISTERING, response={204: None},
    summary="Remove a subscription and its history",
)
def delete_subscription(request: HttpRequest, subscription_id: Id) -> HttpResponse:
    refuse_unknown_query(request)
    subscribe.remove_subscription(_row(subscription_id).pk, actor_of(request))
    return HttpResponse(status=204)


@router.post(
    "/subscriptions/{subscription_id}/run", auth=SENDING, response={202: RunOut},
    summary="Run now, for all recipients or once for one address",
)
def run_subscription(request: HttpRequest, subscription_id: Id, body: RunIn) -> Status[dict[str, Any]]:
    refuse_unknown_query(request)
    row, now = _row(subscription_id), timezone.now()
    if body.to is not None:
        # A report goes where its subscription says; only who may change that sends it elsewhere.
        if token_of(request).scope != ApiToken.Scope.ADMIN:
            raise forbidden("admin")
        return Status(202, run_json(send_to(row.pk, body.to, actor_of(request), now)))
    return Status(202, run_json(run_now(row.pk, actor_of(request), now)))


@router.post(
    "/subscriptions/{subscription_id}/pause", auth=ADMINISTERING, response=SubscriptionOut,
    summary="Run no more by itself until it is resumed",
)
def pause_subscription(request: HttpRequest, subscription_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    subscribe.pause_subscription(_row(subscription_id).pk, actor_of(request), timezone.now())
    return subscription_json(_row(subscription_id))


@router.post(
    "/subscriptions/{subscription_id}/resume", auth=ADMINISTERING, response=SubscriptionOut,
    summary="Go on with the next instant of the schedule",
)
def resume_subscription(request: HttpRequest, subscription_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    subscribe.resume_subscription(_row(subscription_id).pk, actor_of(request), timezone.now())
    return subscription_json(_row(subscription_id))


@router.get(
    "/subscriptions/{subscription_id}/left", auth=READING, response=Left, summary="Who left the subscription"
)
def list_left(request: HttpRequest, subscription_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    rows = who_left([_row(subscription_id).list_name])
    return {"left": [{"address": row.address, "since": row.since} for row in rows]}


def subscription_json(row: Subscription) -> dict[str, Any]:
    """A row as `SubscriptionOut`."""
    mode = {name: row.test_mode[name] for name in ("address", "until", "by")} if row.test_mode else None
    last = Run.objects.filter(subscription=row).order_by("-pk").first()
    return {
        "id": row.pk, **subscription_values(row), "test_mode": mode, "list": row.list_name,
        "next_at": row.next_at, "paused_at": row.paused_at, "paused_by": row.paused_by,
        "last_run": None if last is None else run_json(last),
        "created_at": row.created_at, "updated_at": row.updated_at,
    }


def _row(subscription_id: str) -> Subscription:
    return get_object_or_404(Subscription.objects.select_related("source", "owner", "template"), pk=subscription_id)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Without the names of a schedule that were not given."""
    if values.get("schedule"):
        values["schedule"] = {name: value for name, value in values["schedule"].items() if value}
    return values


def _set_test_mode(request: HttpRequest, subscription_id: str, mode: dict[str, Any] | None) -> None:
    if mode is not None:
        set_for_subscription(subscription_id, mode["address"], mode.get("until"), actor_of(request), timezone.now())
    elif _row(subscription_id).test_mode:
        clear_for_subscription(subscription_id, actor_of(request))
