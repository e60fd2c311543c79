"""Webhook send: have a webhook told of something. What is queued here leaves signed, is tried again, and has a history.

Whoever changes what others may want to hear does not call this: triggers write events in the commit of the change
itself (`store/event_triggers.py`), and `distribute` makes requests of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from django.db import DataError, transaction

from postroom.policy.webhook_filter import WebhookFilter
from postroom.policy.webhooks import GIVE_UP_AFTER
from postroom.store import audit
from postroom.store.models import Event, Webhook, WebhookDelivery
from postroom.terms.event import SUBSCRIBABLE, EventKind

from .webhook_events import body_of, event_json, told

_log = structlog.get_logger("postroom.webhooks")
# Events of one request; a receiver answers a hundred of them as quickly as one.
EVENTS = 100
BODY_CHARACTERS = 500_000
EVENTS_AT_ONCE = 500


def send_event(webhook: Webhook, kind: EventKind, data: Mapping[str, Any], now: datetime) -> WebhookDelivery:
    """Have one webhook told of this, whatever events it asked for (blocking)."""
    delivery = _delivery(webhook, [event_json(kind, now, data)], now)
    delivery.is_test = kind is EventKind.TEST
    delivery.save(force_insert=True)
    return delivery


def send_test(webhook: Webhook, actor: str, now: datetime) -> WebhookDelivery:
    """A request that only says that it is a test. Paused or not, the webhook gets it."""
    with transaction.atomic():
        data = {"webhook": {"id": webhook.pk, "name": webhook.name}, "asked_by": actor}
        delivery = send_event(webhook, EventKind.TEST, data, now)
        audit.record(actor, "webhook.test", webhook.name)
    return delivery


def distribute(now: datetime) -> int:
    """Make requests of what has happened, for every webhook that wants it; how many events there were (blocking).

    An event leaves its table in the commit that makes the requests, so that each webhook hears of it once."""
    if not Event.objects.exists():
        return 0
    ids = list(Event.objects.order_by("pk").values_list("pk", flat=True)[:EVENTS_AT_ONCE])
    _distribute(ids, now)
    return len(ids)


def _distribute(ids: Sequence[int], now: datetime) -> None:
    """Make requests of these events. One of which none can be made is removed all the same, and stops no other (D9)."""
    try:
        _make_requests(ids, now)
    except (DataError, LookupError, TypeError, ValueError) as error:
        if len(ids) > 1:
            for id_ in ids:
                _distribute([id_], now)
            return
        _log.error("no request can be made of an event, and nobody is told of it", number=ids[0], error=repr(error))
        Event.objects.filter(pk__in=ids).delete()


def _make_requests(ids: Sequence[int], now: datetime) -> None:
    with transaction.atomic():
        webhooks = Webhook.objects.filter(paused_for="")
        all_told = _told(ids) if webhooks else []
        WebhookDelivery.objects.bulk_create(
            _delivery(webhook, some, now)
            for webhook in webhooks
            for some in _requests(list(filter(_filter_of(webhook).lets_pass, all_told)))
        )
        Event.objects.filter(pk__in=ids).delete()


def _filter_of(webhook: Webhook) -> WebhookFilter:
    return WebhookFilter(webhook.events or SUBSCRIBABLE, webhook.tags, webhook.purposes)


def _told(ids: Sequence[int]) -> list[dict[str, Any]]:
    """These events as they are sent. One that can't be read is left out, and stops no other (D9)."""
    try:
        return told(list(Event.objects.filter(pk__in=ids).order_by("pk")))
    except (LookupError, TypeError, ValueError) as error:
        if len(ids) > 1:
            return [event for id_ in ids for event in _told([id_])]
        _log.error("an event can't be read, and nobody is told of it", number=ids[0], error=repr(error))
        return []


def _requests(events: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """In order, as many as fit into one request each."""
    some: list[Mapping[str, Any]] = []
    characters = 0
    for event in events:
        more = len(json.dumps(event, ensure_ascii=False))
        if some and (len(some) >= EVENTS or characters + more > BODY_CHARACTERS):
            yield some
            some, characters = [], 0
        some.append(event)
        characters += more
    if some:
        yield some


def _delivery(webhook: Webhook, events: Sequence[Mapping[str, Any]], now: datetime) -> WebhookDelivery:
    return WebhookDelivery(
        webhook=webhook, kinds=sorted({event["type"] for event in events}), event_count=len(events),
        body=body_of(events), due_at=now, created_at=now, give_up_at=now + GIVE_UP_AFTER,
    )
