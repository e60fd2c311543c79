"""Messages and deliveries: what was accepted and what became of it, per recipient."""

from typing import Annotated, Any, Literal

from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from pydantic import AwareDatetime, Field

from postroom.flow.acceptance import resend
from postroom.flow.instance.reader import told
from postroom.flow.messages import outbox
from postroom.flow.servers.configure import NotPossible
from postroom.store.ids import id_at
from postroom.store.message_filter import MessageFilter, Order, Place
from postroom.store.message_list import MessageList
from postroom.store.message_search import hits_of
from postroom.store.models import ApiToken, Attempt, Bounce, Delivery, Message
from postroom.terms.outcome import WAITING_STATES

from .access import SENDING, SENDING_OR_READING, actor_of, token_of
from .bounces import bounce_json
from .schemas import Changed, Deliveries, MessageOut, Messages, ResendIn, Resent
from .strict_parser import refuse_unknown_query

router = Router(tags=["Messages"])
State = Literal["queued", "sending", "deferred", "sent", "failed", "uncertain", "held", "cancelled"]
Id = Annotated[str, Field(max_length=26)]


class DeliveryFilter(Schema):
    state: State | None = None
    recipient: Annotated[str | None, Field(max_length=254)] = None
    server: Annotated[str | None, Field(max_length=26, description="Id of an SMTP server.")] = None
    cause: Annotated[str | None, Field(max_length=64, description="Slug of a cause.")] = None
    since: Annotated[AwareDatetime | None, Field(description="Accepted then or later.")] = None
    until: Annotated[AwareDatetime | None, Field(description="Accepted before.")] = None
    before: Annotated[str | None, Field(max_length=26, description="`next_before` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class MessageFilterIn(DeliveryFilter):
    purpose: Literal["notification", "report", "communication", "alert"] | None = None
    client: Annotated[str | None, Field(max_length=100, description="Name of a token, or of a person.")] = None
    tag: Annotated[str | None, Field(max_length=100)] = None
    bounce: Annotated[
        Literal["failed", "delayed", "delivered", "complaint"] | None, Field(description="A report of it came back.")
    ] = None
    q: Annotated[
        str | None, Field(max_length=200, description="Recipient, subject, server, id or Message-ID; 1,000 at most.")
    ] = None


@router.get(
    "/messages", auth=SENDING_OR_READING, response=Messages, by_alias=True, summary="List messages, newest first"
)
def list_messages(request: HttpRequest, query: Query[MessageFilterIn]) -> dict[str, Any]:
    refuse_unknown_query(request, MessageFilterIn)
    token = token_of(request)
    own = token.pk if token.scope == ApiToken.Scope.SEND else ""
    text = " ".join((query.q or "").split())
    wanted = MessageFilter(
        text=text, recipient=query.recipient or "", server=query.server or "", cause=query.cause or "",
        purpose=query.purpose or "", client=query.client or "", client_id=own, tag=query.tag or "", since=query.since,
        until=query.until, bounce=query.bounce or "",
    )
    found = MessageList(wanted, hits_of(text, query.since, query.until) if text else None)
    after = None if query.before is None else Place(0, query.before)
    page = found.page(Order.NEWEST, query.limit, after, query.state or "")
    rows = sorted(Message.objects.select_related("server").filter(pk__in=page.ids), key=lambda m: m.pk, reverse=True)
    states = _states_of(rows)
    return {
        "messages": [message_json(row, states.get(row.pk, {})) for row in rows],
        "next_before": page.next.id if page.next else None,
    }


@router.get(
    "/messages/{message_id}",
    auth=SENDING_OR_READING,
    response=MessageOut,
    by_alias=True,
    summary="One message with its deliveries and their attempts",
)
def get_message(request: HttpRequest, message_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    row = _message(request, message_id)
    deliveries = row.deliveries.select_related("server").prefetch_related("attempts", "bounces").order_by("pk")
    document = message_json(row, _states_of([row]).get(row.pk, {}))
    document["deliveries"] = [delivery_json(d, list(d.attempts.all()), list(d.bounces.all())) for d in deliveries]
    return document


@router.post("/messages/{message_id}/cancel", auth=SENDING, response=Changed, summary="Cancel what still waits")
def cancel_message(request: HttpRequest, message_id: Id) -> dict[str, Any]:
    row = _message(request, message_id)
    changed = outbox.cancel([row.pk], actor_of(request)).deliveries
    if not changed:
        raise NotPossible("No delivery of this message waits any more: all are sent, failed, cancelled or being sent.")
    return {"id": row.pk, "deliveries": changed}


@router.post("/messages/{message_id}/retry", auth=SENDING, response=Changed, summary="Try again now")
def retry_message(request: HttpRequest, message_id: Id) -> dict[str, Any]:
    row = _message(request, message_id)
    changed = outbox.retry_now([row.pk], actor_of(request)).deliveries
    if not changed:
        raise NotPossible("Nothing to try again: no delivery of this message is deferred, failed, held or uncertain.")
    return {"id": row.pk, "deliveries": changed}


@router.post(
    "/messages/{message_id}/resend", auth=SENDING, response={202: Resent}, summary="Send the same message once more"
)
def resend_message(request: HttpRequest, message_id: Id, body: ResendIn | None = None) -> Status[dict[str, Any]]:
    row = _message(request, message_id)
    recipients = resend.Recipients(body.recipients) if body else resend.Recipients.ALL
    token = token_of(request)
    again = resend.resend(row, resend.Hand(actor_of(request), token.name, token), recipients)
    deliveries = again.deliveries.order_by("pk").values("id", "recipient", "state")
    return Status(202, {"id": again.pk, "resend_of": row.pk, "deliveries": list(deliveries)})


@router.get("/deliveries", auth=SENDING_OR_READING, response=Deliveries, summary="List deliveries, newest first")
def list_deliveries(request: HttpRequest, query: Query[DeliveryFilter]) -> dict[str, Any]:
    refuse_unknown_query(request, DeliveryFilter)
    token = token_of(request)
    found = Delivery.objects.all()
    if token.scope == ApiToken.Scope.SEND:
        found = found.filter(message__client=token)
    given = {
        "state": query.state, "recipient": query.recipient, "server_id": query.server, "cause": query.cause,
        "message_id__gte": id_at(query.since) if query.since else None,
        "message_id__lt": id_at(query.until) if query.until else None, "pk__lt": query.before,
    }
    found = found.filter(**{name: value for name, value in given.items() if value is not None})
    rows = list(found.select_related("server").order_by("-pk")[: query.limit])
    return {
        "deliveries": [delivery_json(row, None) for row in rows],
        "next_before": rows[-1].pk if len(rows) == query.limit else None,
    }


def _visible(token: ApiToken) -> QuerySet[Message]:
    """A sending token sees its own messages, the others see all."""
    if token.scope == ApiToken.Scope.SEND:
        return Message.objects.filter(client=token)
    return Message.objects.all()


def _message(request: HttpRequest, message_id: str) -> Message:
    return get_object_or_404(_visible(token_of(request)).select_related("server"), pk=message_id)


def _states_of(rows: list[Message]) -> dict[str, dict[str, int]]:
    """How many deliveries of each message are in which state."""
    counted: dict[str, dict[str, int]] = {}
    groups = Delivery.objects.filter(message__in=rows).values_list("message_id", "state").annotate(Count("pk"))
    for message_id, state, number in groups:
        counted.setdefault(message_id, {})[state] = number
    return counted


def message_json(row: Message, states: dict[str, int]) -> dict[str, Any]:
    """A message as `MessageOut`, without its deliveries."""
    return {
        "id": row.pk,
        "message_id": row.message_id,
        "client": row.client_name,
        "server": row.server.name if row.server else None,
        "from_": row.from_header,
        "subject": row.subject,
        "purpose": row.purpose,
        "priority": row.priority,
        "size_bytes": row.content_size,
        "attachments": row.attachments,
        "tags": row.tags,
        "metadata": row.metadata,
        "created_at": row.created_at,
        "send_at": row.send_at,
        "expires_at": row.expires_at,
        "resend_of": row.resend_of_id,
        "unsubscribe": row.list_name or None,
        "states": states,
    }



def delivery_json(
    row: Delivery, attempts: list[Attempt] | None, bounces: list[Bounce] | None = None
) -> dict[str, Any]:
    """A delivery as `DeliveryOut`."""
    return {
        "id": row.pk,
        "message": row.message_id,
        "recipient": row.recipient,
        "state": row.state,
        "server": row.server.name if row.server else None,
        "due_at": row.due_at if row.state in WAITING_STATES else None,
        "attempt_count": row.attempt_count,
        "uncertain_count": row.uncertain_count,
        "reply": row.last_reply,
        "cause": row.cause,
        "finding": told(row.finding) or None,
        "updated_at": row.updated_at,
        "attempts": None if attempts is None else [_attempt_json(a) for a in sorted(attempts, key=lambda a: a.number)],
        "bounces": None if bounces is None else [bounce_json(b) for b in sorted(bounces, key=lambda b: b.pk)],
    }


def _attempt_json(row: Attempt) -> dict[str, Any]:
    return {
        "number": row.number,
        "server": row.server_name,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "outcome": row.outcome,
        "stage": row.stage,
        "reply_code": row.reply_code,
        "enhanced_code": row.enhanced_code,
        "reply": row.reply,
        "cause": row.cause,
        "finding": told(row.finding) or None,
    }
