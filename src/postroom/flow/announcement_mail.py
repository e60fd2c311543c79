"""Write and queue the messages of an announcement: recipients fixed in one commit, then group by group."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import F

from postroom.message.template import TemplateFault
from postroom.policy.recipient_domains import AllowedDomains
from postroom.store.models import Announcement, AnnouncementRecipient, IdempotencyKey, Suppression
from postroom.terms.address import canonical, written
from postroom.terms.problem import Problem

from .accept import Acceptor
from .announcements import OPEN, State, reached, text_for
from .branding import branding
from .built_in import TemplateSource
from .instance import site
from .own_text import OwnText, own_text
from .recipient_domains import allowed_domains
from .recipients import Addressed
from .request import Person
from .run_message import image_in_body
from .suppression import EVERY_LIST
from .templates import rendered_source, source_of
from .unsubscribe import foresee_links

# The list that recipients can leave.
LIST = "Announcements"
TAG = TEMPLATE = "announcement"
# Why somebody gets no message; what a message is refused for besides is kept in words.
SUPPRESSED, OUTSIDE = "suppressed", "domain-not-allowed"
GROUP = 100
KEPT = timedelta(days=400)
_AT_ONCE = 500
_Bodies = Sequence[dict[str, Any] | None]


async def queue_announcement(acceptor: Acceptor, now: datetime) -> bool:
    """Do the next piece of the oldest announcement that is under way; whether there was one. Raises DatabaseError."""
    announcement = await sync_to_async(_next)(now)
    if announcement is None:
        return False
    group = await sync_to_async(_group)(announcement)
    if not group:
        await sync_to_async(_finish)(announcement, now)
        return True
    bodies = await sync_to_async(_bodies)(announcement, group, now)
    try:
        await _queue(acceptor, announcement, group, bodies)
    except Problem as problem:
        await sync_to_async(_note)(announcement, group, problem.as_json())
        return False
    await sync_to_async(_note)(announcement, group, None)
    return True


async def _queue(
    acceptor: Acceptor, announcement: Announcement, group: Sequence[AnnouncementRecipient], bodies: _Bodies
) -> None:
    """All at once, or, where one of them is refused or some are queued already, one by one. Raises Problem for what no
    other message could do better just now."""
    sender, key = _sender(announcement), _group_key(group)
    if None not in bodies:
        try:
            accepted = await acceptor.accept_batch({"messages": list(bodies)}, sender, key)
        except Problem as problem:
            if _may_pass(problem):
                raise
        else:
            for recipient, one in zip(group, accepted, strict=True):
                recipient.message_id = one.enqueued.id
            return
    for number, (recipient, body) in enumerate(zip(group, bodies, strict=True)):
        if body is not None:
            await _queue_one(acceptor, sender, recipient, body, f"{key}#{number}")


async def _queue_one(
    acceptor: Acceptor, sender: Person, recipient: AnnouncementRecipient, body: dict[str, Any], key: str
) -> None:
    try:
        recipient.message_id = (await acceptor.accept(body, sender, key)).enqueued.id
    except Problem as problem:
        if _may_pass(problem):
            raise
        fault = problem.errors[0].text if problem.errors else problem.detail
        recipient.left_out = str(fault)[:300]


def _may_pass(problem: Problem) -> bool:
    return problem.status >= 500 or problem.status == 429


def body_for(writer: "Writer", to: Addressed) -> dict[str, Any]:
    """The message of one recipient, as the API takes it (blocking)."""
    announcement, made = writer.announcement, writer.written(to)
    body = {
        "to": written(to.address, to.name), "subject": made.subject, "html": made.html, "text": made.text,
        "attachments": list(made.attachments), "purpose": "communication", "priority": -1, "tags": [TAG],
        "metadata": {"announcement": announcement.pk}, "server": announcement.server_id or "",
        "unsubscribe": LIST if announcement.can_leave else "",
    }
    return {name: value for name, value in body.items() if value}


async def send_test(acceptor: Acceptor, announcement: Announcement, to: Addressed, sender: Person) -> str:
    """Queue it for one person to look at, who may be none of its recipients; the message's id. Raises Problem."""
    body = await sync_to_async(lambda: body_for(Writer(announcement), to))()
    kept = {name: value for name, value in body.items() if name not in ("unsubscribe", "metadata")}
    return (await acceptor.accept({**kept, "priority": 0}, sender)).enqueued.id


def written_for(announcement: Announcement, to: Addressed) -> OwnText:
    """Subject and bodies in the recipient's language, where the announcement is written in it (blocking)."""
    return Writer(announcement).written(to)


class Writer:
    """Writes one announcement for many people: template and branding are read once."""

    def __init__(self, announcement: Announcement) -> None:
        self.announcement = announcement
        self._site, self._branding = site(), branding()
        self._sources: dict[str, TemplateSource] = {}

    def written(self, to: Addressed) -> OwnText:
        """As `own_text`, which stands in where somebody broke the template."""
        text, sender = text_for(self.announcement, to.language), self.announcement.sender_name
        values = {
            "title": text["subject"], "text": text["text"], "sender": sender if isinstance(sender, str) else "",
            "recipient": {**to.values, "name": to.name, "address": to.address, "language": to.language},
        }
        try:
            if to.language not in self._sources:
                self._sources[to.language] = source_of(TEMPLATE, to.language, self._site)
            made = rendered_source(self._sources[to.language], values, self._site, self._branding)
        except TemplateFault:
            return own_text(TEMPLATE, to, values)
        pictures = [image_in_body(image) for image in made.inline_images]
        return OwnText(made.subject or text["subject"], made.text, made.html, pictures)


def forget_old_announcements(now: datetime) -> int:
    """Remove those that ended long ago, with who got them; how many rows."""
    return Announcement.objects.filter(finished_at__lt=now - KEPT).delete()[0]


def _next(now: datetime) -> Announcement | None:
    """The oldest that is under way, its recipients fixed."""
    row = Announcement.objects.filter(state__in=OPEN).order_by("created_at", "pk").first()
    if row is not None and row.state == State.WAITING:
        _fix_recipients(row, now)
    return row


def _fix_recipients(announcement: Announcement, now: datetime) -> None:
    """Who gets it, once and for all; nobody but those who were reached at this moment."""
    people, domains = reached(announcement), allowed_domains()
    gone = _left([one.address_key for one in people]) if announcement.can_leave else set()
    rows = [
        AnnouncementRecipient(
            announcement=announcement, position=position, address=one.address, name=one.name, language=one.language,
            left_out=_left_out(one, domains, gone), message_id="",
        )
        for position, one in enumerate(people)
    ]
    with transaction.atomic():
        taken = Announcement.objects.filter(pk=announcement.pk, state=State.WAITING).update(
            state=State.SENDING, started_at=now, planned=len(rows), left_out=sum(bool(row.left_out) for row in rows)
        )
        if taken:
            AnnouncementRecipient.objects.bulk_create(rows, _AT_ONCE)
    announcement.refresh_from_db()


def _left(keys: Sequence[str]) -> set[str]:
    """Those of the addresses that get no mail at all, or none of this list."""
    found: set[str] = set()
    for start in range(0, len(keys), _AT_ONCE):
        some = Suppression.objects.filter(address__in=keys[start : start + _AT_ONCE])
        found.update(some.filter(list_name__in=("", EVERY_LIST, LIST)).values_list("address", flat=True))
    return found


def _left_out(one: Addressed, domains: AllowedDomains, gone: set[str]) -> str:
    if one.address_key in gone:
        return SUPPRESSED
    return "" if domains.covers(one.address.rpartition("@")[2]) else OUTSIDE


def _group(announcement: Announcement) -> list[AnnouncementRecipient]:
    rows = announcement.recipients.filter(message_id="", left_out="").order_by("position")
    return list(rows[:GROUP]) if announcement.state == State.SENDING else []


def _bodies(
    announcement: Announcement, group: Sequence[AnnouncementRecipient], now: datetime
) -> _Bodies:
    """The message of each; None for one that was queued in an earlier life, whose id is noted."""
    names = [f"{_group_key(group)}#{number}" for number in range(len(group))]
    keys = IdempotencyKey.objects.filter(scope=_sender(announcement).id, key__in=names)
    earlier: Mapping[str, str] = dict(keys.values_list("key", "message_id"))
    bodies: list[dict[str, Any] | None] = []
    writer = Writer(announcement)
    for recipient, name in zip(group, names, strict=True):
        recipient.message_id = earlier.get(name, "")
        to = Addressed(recipient.address, canonical(recipient.address), recipient.name, recipient.language)
        bodies.append(None if recipient.message_id else body_for(writer, to))
    if announcement.can_leave:
        foresee_links(bodies, now)
    return bodies


def _note(
    announcement: Announcement, group: Sequence[AnnouncementRecipient], problem: Mapping[str, Any] | None
) -> None:
    """What became of the group, and what holds it, in one commit."""
    queued = sum(bool(one.message_id) for one in group)
    left_out = sum(bool(one.left_out) for one in group)
    with transaction.atomic():
        AnnouncementRecipient.objects.bulk_update(group, ("message_id", "left_out"), _AT_ONCE)
        Announcement.objects.filter(pk=announcement.pk).update(
            queued=F("queued") + queued, left_out=F("left_out") + left_out, problem=problem
        )


def _finish(announcement: Announcement, now: datetime) -> None:
    Announcement.objects.filter(pk=announcement.pk, state=State.SENDING).update(state=State.DONE, finished_at=now)


def _sender(announcement: Announcement) -> Person:
    """Whose keys these are; an announcement's own, so that no message of somebody else can stand in for one."""
    return Person(announcement.pk, announcement.sender_name or "Postroom")


def _group_key(group: Sequence[AnnouncementRecipient]) -> str:
    """A group that was not noted is made up of the same recipients in its next life."""
    return f"from-{group[0].position}"
