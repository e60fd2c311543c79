"""Announcements: handed over, followed, stopped; seen and tried before."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import Field, StrictBool, StrictStr

from postroom.flow.alerts.alert_words import said
from postroom.flow.instance.refusals import SettingsRefused
from postroom.flow.messages.request import checked_key, key_conflict
from postroom.flow.notices.announcement_mail import previewed
from postroom.flow.notices.announcement_queue import FAILED
from postroom.flow.notices.announcements import (
    ADDRESSES,
    GROUPS,
    SUBJECT_CHARACTERS,
    TEXT_CHARACTERS,
    announce,
    announcement_id,
    draft_announcement,
    is_same,
    reached,
    seen_as,
    standing,
    stop,
    title_of,
)
from postroom.message.template import TemplateFault
from postroom.store.models import Announcement, AnnouncementRecipient
from postroom.terms.problem import FieldError

from .access import ADMINISTERING, READING, actor_of, token_of
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Announcements"])
Id = Annotated[str, Field(max_length=26)]
Language = Literal["en", "fr"]
Subject = Annotated[StrictStr, Field(max_length=SUBJECT_CHARACTERS)]
Text = Annotated[StrictStr, Field(max_length=TEXT_CHARACTERS)]


class TranslationIn(Strict):
    """The same in another language, for recipients who read that."""

    subject: Subject
    text: Text


class AnnouncementIn(Strict):
    """What to write, and to whom: at least one of `users`, `recipients`, `groups` and `addresses`."""

    subject: Annotated[Subject, Field(description="May name values, such as {{ recipient.name }}.")]
    text: Annotated[Text, Field(description=(
        "Plain text; each recipient gets it as HTML and text, with what stands in double braces filled in."
    ))]
    language: Annotated[Language, Field(description="What subject and text are written in.")] = "en"
    translations: dict[Language, TranslationIn] = Field(default_factory=dict)
    users: Annotated[StrictBool, Field(description="Everybody who may sign in.")] = False
    recipients: Annotated[StrictBool, Field(description="All recipients.")] = False
    groups: Annotated[
        tuple[Annotated[StrictStr, Field(max_length=100)], ...], Field(max_length=GROUPS, description="Ids or names.")
    ] = ()
    addresses: Annotated[tuple[Annotated[StrictStr, Field(max_length=320)], ...], Field(max_length=ADDRESSES)] = ()
    can_leave: Annotated[StrictBool, Field(description="Each message has a link to get no more of these.")] = True
    server: Annotated[StrictStr, Field(max_length=100, description="Name or id of an SMTP server.")] = ""


class AnnouncementPreviewIn(AnnouncementIn):
    """An announcement, and whose message of it to show."""

    recipient: Annotated[StrictStr, Field(max_length=320, description=(
        "Address of one of those whom it reaches; the first of them where it is missing."
    ))] = ""


class AnnouncementOut(Schema):
    """`state`: waiting, sending, done (all messages are queued) or stopped. Of the `planned` recipients,
    `queued` have their message, `left_out` get none and for `failed` none could be made; `problem` is what holds it
    up. `deliveries` counts its deliveries by state; null in lists."""

    id: str
    subject: str
    state: Literal["waiting", "sending", "done", "stopped"]
    planned: int
    queued: int
    left_out: int
    failed: int
    deliveries: dict[str, int] | None = None
    problem: dict[str, Any] | None
    audience: dict[str, Any]
    can_leave: bool
    created_at: datetime
    created_by: str
    started_at: datetime | None
    finished_at: datetime | None


class Announcements(Schema):
    announcements: list[AnnouncementOut]


class AnnouncementFilter(Schema):
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class AnnouncementRecipientOut(Schema):
    """`state`: waiting, queued (`message` is its id), left-out or failed; `reason` says why."""

    position: int
    address: str
    name: str
    state: Literal["waiting", "queued", "left-out", "failed"]
    reason: str
    message: str | None


class AnnouncementRecipients(Schema):
    """`next_after` continues the list, null at its end."""

    recipients: list[AnnouncementRecipientOut]
    next_after: int | None


class AnnouncementRecipientFilter(Schema):
    state: Literal["waiting", "queued", "left-out", "failed"] | None = None
    after: Annotated[int, Field(ge=-1, le=2**31 - 1)] = -1
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100


class Preview(Schema):
    """What `recipient` would get, and how many people it reaches now. `missing` are values that the text asks for and
    this recipient does not have: they are left empty."""

    recipient: str
    missing: list[str]
    subject: str
    html: str
    text: str
    people: int


@router.get("/announcements", auth=READING, response=Announcements, summary="List announcements, newest first")
def list_announcements(request: HttpRequest, query: Query[AnnouncementFilter]) -> dict[str, Any]:
    refuse_unknown_query(request, AnnouncementFilter)
    rows = Announcement.objects.order_by("-created_at", "-pk")[: query.limit]
    return {"announcements": [_json(row) for row in rows]}


@router.post(
    "/announcements", auth=ADMINISTERING, response={200: AnnouncementOut, 202: AnnouncementOut},
    summary="Announce something; 200 when the Idempotency-Key was used for the same before",
)
def create_announcement(request: HttpRequest, body: AnnouncementIn) -> Status[dict[str, Any]]:
    token, draft, key = token_of(request), draft_announcement(body.model_dump()), request.headers.get("Idempotency-Key")
    if key is not None:
        draft.pk = announcement_id(token.pk, checked_key(key))
    is_new = announce(draft, actor=actor_of(request), sender_id=token.pk, sender_name=token.name, now=timezone.now())
    row = Announcement.objects.get(pk=draft.pk)
    if not (is_new or is_same(row, draft)):
        raise key_conflict()
    return Status(202 if is_new else 200, _json(row))


@router.post("/announcements/preview", auth=READING, response=Preview, summary="See what a recipient would get")
def preview_announcement(request: HttpRequest, body: AnnouncementPreviewIn) -> dict[str, Any]:
    draft = draft_announcement(body.model_dump(exclude={"recipient"}))
    draft.sender_name = token_of(request).name
    people = reached(draft)
    try:
        seen = previewed(draft, seen_as(people, body.recipient))
    except TemplateFault as fault:
        raise SettingsRefused(FieldError("text", "invalid", fault.text)) from None
    return {
        "recipient": seen.to.address, "missing": list(seen.missing), "subject": seen.made.subject,
        "html": seen.made.html, "text": seen.made.text, "people": len(people),
    }


@router.get("/announcements/{announcement_id}", auth=READING, response=AnnouncementOut, summary="One announcement")
def get_announcement(request: HttpRequest, announcement_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    row = get_object_or_404(Announcement, pk=announcement_id)
    return {**_json(row), "deliveries": standing(row)}


@router.get(
    "/announcements/{announcement_id}/recipients", auth=READING, response=AnnouncementRecipients,
    summary="Who gets it, and who does not and why",
)
def list_announcement_recipients(
    request: HttpRequest, announcement_id: Id, query: Query[AnnouncementRecipientFilter]
) -> dict[str, Any]:
    refuse_unknown_query(request, AnnouncementRecipientFilter)
    row = get_object_or_404(Announcement, pk=announcement_id)
    rows = row.recipients.filter(position__gt=query.after).order_by("position")
    found = list((rows.filter(_STATES[query.state]) if query.state else rows)[: query.limit + 1])
    shown = found[: query.limit]
    return {
        "recipients": [_recipient(one) for one in shown],
        "next_after": shown[-1].position if len(found) > len(shown) else None,
    }


@router.post(
    "/announcements/{announcement_id}/stop", auth=ADMINISTERING, response=AnnouncementOut,
    summary="Queue no more of its messages",
)
def stop_announcement(request: HttpRequest, announcement_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    row = get_object_or_404(Announcement, pk=announcement_id)
    return _json(stop(row.pk, actor=actor_of(request), now=timezone.now()))


_STATES = {
    "waiting": Q(message_id="", left_out=""), "queued": ~Q(message_id=""), "failed": Q(left_out=FAILED),
    "left-out": ~Q(left_out__in=("", FAILED)),
}


def _recipient(row: AnnouncementRecipient) -> dict[str, Any]:
    state = "failed" if row.left_out == FAILED else "left-out" if row.left_out else "waiting"
    return {
        "position": row.position, "address": row.address, "name": row.name,
        "state": "queued" if row.message_id else state, "reason": said(row.failure) or row.left_out,
        "message": row.message_id or None,
    }


def _json(row: Announcement) -> dict[str, Any]:
    return {
        "id": row.pk, "subject": title_of(row), "state": row.state, "planned": row.planned, "queued": row.queued,
        "left_out": row.left_out, "failed": row.failed, "problem": row.problem, "audience": row.audience,
        "can_leave": row.can_leave,
        "created_at": row.created_at, "created_by": row.created_by, "started_at": row.started_at,
        "finished_at": row.finished_at,
    }
