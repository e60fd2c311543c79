"""Queue the messages of announcements: recipients fixed in one commit, then a group of each announcement in turn.

A message's key is made of its place, so that nobody gets two, however often the work is interrupted. A recipient for
whom there can be no message is counted with the reason, and the next ones follow. What could be better soon, such as a
full disk, holds an announcement and no other.
"""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Any

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, transaction
from django.db.models import F

from postroom.message.template import TemplateFault
from postroom.policy.recipient_domains import AllowedDomains
from postroom.store.models import Announcement, AnnouncementRecipient, Suppression
from postroom.terms.address import canonical
from postroom.terms.problem import Problem
from postroom.terms.wording import Wording, worded

from ..acceptance.accept import Acceptor
from ..domains.recipient_domains import allowed_domains
from ..messages.request import Person, Request
from ..recipients.recipients import Addressed
from ..recipients.suppression import EVERY_LIST
from ..templates.shared_pictures import SharedPictures
from .announcement_mail import LIST, Writer
from .announcements import OPEN, State, reached

# Why somebody gets no message.
SUPPRESSED, OUTSIDE, FAILED = "suppressed", "domain-not-allowed", "failed"
GROUP = 100
KEPT = timedelta(days=400)
# What waits longer comes too late.
GIVE_UP_AFTER = timedelta(days=2)
# So many in a row that can't be queued just now: the others of the group could not either.
_IN_VAIN = 3
_LONGEST_REST_S = 10
_AT_ONCE = 500

_log = structlog.get_logger("postroom.announcements")
_Rows = Sequence[AnnouncementRecipient]


class AnnouncementQueue:
    """Works off what is announced. Where it is in each is only remembered: whoever goes on begins anew."""

    def __init__(self, acceptor: Acceptor) -> None:
        self._acceptor = acceptor
        self._after: dict[str, int] = {}
        self._rests: dict[str, datetime] = {}
        self._pictures: dict[str, SharedPictures] = {}

    async def advance(self, now: datetime) -> bool:
        """The next group of each announcement; whether any of them came further. Raises DatabaseError."""
        came_further = False
        under_way = await sync_to_async(_under_way)(now)
        for announcement in under_way:
            if self._rests.get(announcement.pk, now) <= now:
                came_further |= await self._advance(announcement, now)
        self._forget({announcement.pk for announcement in under_way})
        return came_further

    async def _advance(self, announcement: Announcement, now: datetime) -> bool:
        after = self._after.get(announcement.pk, -1)
        rows = await sync_to_async(_waiting)(announcement, after)
        if not rows:
            # From the beginning again, for those who could not be written to when it was their turn.
            self._after.pop(announcement.pk, None)
            return after >= 0 or await sync_to_async(_finish)(announcement, now)
        self._after[announcement.pk] = rows[-1].position
        held = await self._queue(announcement, rows, now)
        if held is not None:
            rest_s = min(held.retry_after_s or 1, _LONGEST_REST_S)
            self._rests[announcement.pk] = now + timedelta(seconds=rest_s)
        await sync_to_async(_note)(announcement, rows, held)
        return held is None

    async def _queue(self, announcement: Announcement, rows: _Rows, now: datetime) -> Problem | None:
        """All at once, or, where one of them is refused, one by one; what holds some of them."""
        pictures = self._pictures.setdefault(announcement.pk, SharedPictures(announcement.pk))
        try:
            pairs = await sync_to_async(_requests)(announcement, rows, pictures, now)
            accepted = await self._acceptor.accept_each([request for _, request in pairs], _sender(announcement))
        except DatabaseError:
            raise
        except Problem as problem:
            _log.info("a group of an announcement is queued one by one", announcement=announcement.pk, why=problem.slug)
        except Exception:  # noqa: BLE001 - one by one it is seen whose message it was
            _log.exception("a group of an announcement broke off", announcement=announcement.pk)
        else:
            for (row, _), one in zip(pairs, accepted, strict=True):
                row.message_id = one.enqueued.id
            return None
        return await self._one_by_one(announcement, rows, pictures, now)

    async def _one_by_one(
        self, announcement: Announcement, rows: _Rows, pictures: SharedPictures, now: datetime
    ) -> Problem | None:
        held, in_vain = None, 0
        is_late = announcement.started_at is not None and now - announcement.started_at > GIVE_UP_AFTER
        for row in rows:
            if row.left_out:
                continue
            try:
                row.message_id = await self._queued(announcement, row, pictures, now)
            except DatabaseError:
                raise
            except Problem as problem:
                if is_late or not _may_pass(problem):
                    _fail(row, _said(problem))
                    continue
                held, in_vain = problem, in_vain + 1
                if in_vain == _IN_VAIN:
                    break
            except Exception:  # noqa: BLE001 - a fault of our own in one message must not hold the others
                _log.exception("a message of an announcement broke off", announcement=announcement.pk, to=row.position)
                _fail(row, worded("Postroom failed to write this message. Its log has the details."))
            else:
                in_vain = 0
        return held

    async def _queued(
        self, announcement: Announcement, row: AnnouncementRecipient, pictures: SharedPictures, now: datetime
    ) -> str:
        """The id of the recipient's message, "" for who gets none. Raises Problem."""
        pairs = await sync_to_async(_requests)(announcement, [row], pictures, now)
        if not pairs:
            return ""
        (accepted,) = await self._acceptor.accept_each([pairs[0][1]], _sender(announcement))
        return accepted.enqueued.id

    def _forget(self, kept: Set[str]) -> None:
        """All but what is known of these."""
        for gone in {*self._after, *self._rests, *self._pictures} - kept:
            self._after.pop(gone, None)
            self._rests.pop(gone, None)
            self._pictures.pop(gone, None)


def forget_old_announcements(now: datetime) -> int:
    """Remove those that ended long ago, with who got them; how many rows."""
    return Announcement.objects.filter(finished_at__lt=now - KEPT).delete()[0]


def _may_pass(problem: Problem) -> bool:
    """Whether another try may go better; whoever refuses for such a reason says when."""
    return problem.retry_after_s is not None


def _said(problem: Problem) -> str:
    return problem.errors[0].text if problem.errors else problem.detail


def _fail(row: AnnouncementRecipient, reason: str) -> None:
    told = reason if isinstance(reason, Wording) else Wording.of((reason, {}))
    row.left_out, row.failure = FAILED, told.as_json()


def _under_way(now: datetime) -> list[Announcement]:
    """Oldest first, their recipients fixed."""
    rows = list(Announcement.objects.filter(state__in=OPEN).order_by("created_at", "pk"))
    for row in rows:
        if row.state == State.WAITING:
            _fix_recipients(row, now)
    return [row for row in rows if row.state == State.SENDING]


def _fix_recipients(announcement: Announcement, now: datetime) -> None:
    """Who gets it, once and for all; nobody but those who were reached at this moment."""
    people, domains = reached(announcement), allowed_domains()
    gone = _left([one.address_key for one in people]) if announcement.can_leave else set()
    rows = [
        AnnouncementRecipient(
            announcement=announcement, position=position, address=one.address, name=one.name, language=one.language,
            time_zone=one.time_zone, values=dict(one.values) or None, left_out=_left_out(one, domains, gone),
            message_id="",
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


def _waiting(announcement: Announcement, after: int) -> list[AnnouncementRecipient]:
    rows = announcement.recipients.filter(message_id="", left_out="", position__gt=after)
    return list(rows.order_by("position")[:GROUP])


def _requests(
    announcement: Announcement, rows: _Rows, pictures: SharedPictures, now: datetime
) -> list[tuple[AnnouncementRecipient, Request]]:
    """The message of each, under the key of its place; whose text can't be filled in has failed. Raises Problem."""
    writer = Writer(announcement, lambda image: pictures.image(image, now))
    found = []
    for row in rows:
        to = Addressed(
            row.address, canonical(row.address), row.name, row.language, row.time_zone, row.values or {}
        )
        key = f"to-{row.position}"
        try:
            found.append((row, Request(writer.body(to), f"messages.{row.position}.", key, key)))
        except TemplateFault as fault:
            _fail(row, fault.text)
    return found


def _note(announcement: Announcement, rows: _Rows, held: Problem | None) -> None:
    """What became of the group, and what holds it, in one commit."""
    queued, failed = sum(bool(row.message_id) for row in rows), sum(row.left_out == FAILED for row in rows)
    problem: Mapping[str, Any] | None = None
    if held is not None:
        said = _said(held)
        problem = {**held.as_json(), "words": said.as_json() if isinstance(said, Wording) else None}
    with transaction.atomic():
        AnnouncementRecipient.objects.bulk_update(rows, ("message_id", "left_out", "failure"), _AT_ONCE)
        Announcement.objects.filter(pk=announcement.pk).update(
            queued=F("queued") + queued, failed=F("failed") + failed, problem=problem
        )


def _finish(announcement: Announcement, now: datetime) -> bool:
    ended = Announcement.objects.filter(pk=announcement.pk, state=State.SENDING)
    return bool(ended.update(state=State.DONE, finished_at=now, problem=None))


def _sender(announcement: Announcement) -> Person:
    """Whose keys these are; an announcement's own, so that no message of somebody else can stand in for one."""
    return Person(announcement.pk, announcement.sender_name or "Postroom")
