"""Resend: the same message once more, as a new row of the outbox, to recipients for whom the first one has ended.

The octets are those that were accepted, Message-ID included (M7), and no Resent- fields are put before them (RFC 5322
section 3.6.6 is for people who pass on what they received). With another Message-ID one message would lie twice in
every mailbox that has it already; with the same one such a mailbox may show it once, which is what somebody wants who
does not know whether the first one arrived. Whoever wants a different message writes a new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from postroom.policy.retry import lifetime_of
from postroom.policy.route import route
from postroom.store import audit
from postroom.store.blobs import Blobs, DamagedBlob
from postroom.store.content import Contents
from postroom.store.models import ApiToken, Content, Delivery, Message, SmtpServer
from postroom.store.storage_room import DELIVERY_BYTES
from postroom.terms.outcome import DeliveryState
from postroom.terms.problem import Problem
from postroom.terms.wording import worded

from ..domains.recipient_domains import allowed_domains, not_allowed
from ..messages.storage_problem import storage_problem
from ..servers.configure import NotPossible
from .queue_room import queue_room
from .test_mode import deciding, server_test_mode, site_test_mode

CAN_RESEND = (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.CANCELLED)


class Recipients(StrEnum):
    """To whom again: to everybody for whom the message has ended, or only to those it failed to reach."""

    ALL = "all"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Hand:
    """Who resends: as the audit trail names it, and as the new message's client."""

    actor: str
    name: str
    client: ApiToken | None = None


def resend(message: Message, hand: Hand, recipients: Recipients = Recipients.ALL) -> Message:
    """The new message. Raises NotPossible where no recipient fits or the content is gone, Problem where queue or disk
    have no room for it."""
    states = CAN_RESEND if recipients is Recipients.ALL else (DeliveryState.FAILED,)
    blobs, number = _blobs(), message.deliveries.filter(state__in=states).count()
    contents = Contents(blobs)
    try:
        content = message.frozen_content
        contents.renew(content)
        contents.open(content, message.content_digest, message.content_size)
    except DamagedBlob as damage:
        raise _gone(str(damage)) from damage
    try:
        blobs.room.take(number * DELIVERY_BYTES)
    except OSError as error:
        raise storage_problem(error) from error
    with queue_room().taken_in_thread(hand.client.pk if hand.client else "", number), transaction.atomic():
        # A file that was renewed stays; a row may have been swept since it was read.
        if message.content_id is not None and not Content.objects.filter(pk=message.content_id).exists():
            raise _gone("its content was removed just now")
        ended = list(message.deliveries.filter(state__in=states).order_by("pk").values_list("recipient", flat=True))
        if not ended:
            raise NotPossible(worded("No delivery of this message fits: resend is for what was sent or has failed."))
        domains = allowed_domains()
        outside = next((path for path in ended if not domains.covers(path.rpartition("@")[2])), None)
        if outside is not None:
            raise NotPossible(not_allowed(outside.rpartition("@")[2]))
        again = _copy_of(message, hand, timezone.now())
        _refuse_in_test_mode(again, ended)
        again.save(force_insert=True)
        Delivery.objects.bulk_create(_delivery_of(again, recipient) for recipient in ended)
        audit.record(hand.actor, "message.resend", message.pk, {"message": again.pk, "deliveries": len(ended)})
    return again


class Resent(NamedTuple):
    """The new messages, and why there was no room for the rest."""

    made: list[Message]
    refusal: Problem | None = None


def resend_each(messages: Sequence[Message], hand: Hand, recipients: Recipients = Recipients.ALL) -> Resent:
    """Those that can be resent, until there is no room for more."""
    made: list[Message] = []
    for message in messages:
        try:
            made.append(resend(message, hand, recipients))
        except NotPossible:
            continue
        except Problem as refusal:
            return Resent(made, refusal)
    return Resent(made)


def _copy_of(message: Message, hand: Hand, now: datetime) -> Message:
    # Whose own server is gone waits for no other one by name.
    is_pinned = message.pinned and message.server is not None
    return Message(
        client=hand.client, client_name=hand.name[:100], server=_server_for(message), pinned=is_pinned,
        resend_of=message, message_id=message.message_id, reverse_path=message.reverse_path,
        from_header=message.from_header, subject=message.subject, purpose=message.purpose, priority=message.priority,
        list_name=message.list_name,
        content_digest=message.content_digest, content_size=message.content_size, content_id=message.content_id,
        needs_8bit=message.needs_8bit, needs_smtputf8=message.needs_smtputf8, attachments=message.attachments,
        tags=message.tags, metadata=message.metadata, created_at=now, expires_at=now + lifetime_of(message.purpose),
    )


def _refuse_in_test_mode(message: Message, recipients: Sequence[str]) -> None:
    """What was made for its true recipients can't be made for another one: its octets are frozen."""
    server = message.server
    mode = deciding((site_test_mode(), server_test_mode(server) if server is not None else None), message.created_at)
    if mode is not None and set(recipients) != {mode.address}:
        text = worded("Test mode is on, and this message would go to its true recipients. Turn test mode off first.")
        raise NotPossible(text)


def _delivery_of(message: Message, recipient: str) -> Delivery:
    return Delivery(
        message=message, recipient=recipient, state=DeliveryState.QUEUED, due_at=message.created_at,
        priority=message.priority, server=message.server, updated_at=message.created_at,
        turn_key=f"{message.client_id or ''}:{message.purpose[:1]}",
    )


def _server_for(message: Message) -> SmtpServer | None:
    """The same server, whose From the message has; another one only where that can't take it."""
    own = message.server
    if own is not None and (message.pinned or own.takes_deliveries):
        return own
    servers = list(SmtpServer.objects.all())
    chosen = route(server.candidate for server in servers)
    return next((server for server in servers if chosen is not None and server.pk == chosen.id), own)


def _gone(damage: str) -> NotPossible:
    return NotPossible(worded("The stored message can't be sent again: {damage}.", damage=damage))


def _blobs() -> Blobs:
    return Blobs(Path(settings.DATA_DIR) / "blobs")
