"""Bounce: what came back about a message is read, matched with its delivery, kept beside it, and acted upon.

A bounce never changes what a delivery came to: the server did take the message. It belongs to a delivery by the signed
return path (`return_path`), else by the Message-ID that the report returns together with the recipient it names. What
neither tells is not believed, so that nobody can have another's address suppressed by a made-up report.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from django.conf import settings
from django.db import transaction

from postroom.diagnosis.explain import finding_of_cause
from postroom.diagnosis.text import finding_of_text
from postroom.message.dsn import addresses_of, read_report
from postroom.message.report import RecipientReport, Report, ReportKind, Unrelated
from postroom.policy.hard_bounce import is_hard_bounce
from postroom.smtp.text import printable
from postroom.store.activity_log import ActivityLog
from postroom.store.models import Bounce, Delivery, Message
from postroom.terms.address import canonical
from postroom.terms.finding import Confidence, Finding

from ..recipients.suppression import Entry, Reason, suppress
from .return_path import delivery_in
from .settle import note

DIAGNOSTIC_CHARACTERS = 1_000
# Somebody who knows a signed address could send reports to it for ever; more than these are not kept.
BOUNCES_PER_DELIVERY = 50
_RESENT = 20
_WORST_FIRST = (ReportKind.FAILED, ReportKind.COMPLAINT, ReportKind.DELAYED, ReportKind.DELIVERED)
ACTOR = "bounce"


class Way(StrEnum):
    """How a report came in."""

    SUBMISSION = "submission"
    API = "api"
    COMMAND = "command"
    MAILBOX = "mailbox"


class Verdict(StrEnum):
    """What became of a message that was handed in as a report."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    UNMATCHED = "unmatched"
    AUTO_REPLY = "auto-reply"
    NO_REPORT = "no-report"


@dataclass(frozen=True, slots=True)
class Intake:
    """The answer: new bounces, and the addresses that are suppressed from now on."""

    verdict: Verdict
    bounces: tuple[Bounce, ...] = ()
    suppressed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Match:
    """A delivery with what a report says about it. `is_same`: it names the recipient that the message was for.
    `is_proven`: nobody else who got the message can have made the report up."""

    delivery: Delivery
    said: RecipientReport
    is_same: bool
    is_proven: bool = True


def take_report(
    octets: bytes, way: Way, now: datetime, forward_path: str = "", *, only_client: str | None = None
) -> Intake:
    """Record what a message reports (blocking). `forward_path` is the address it was delivered to, where that is known.
    With `only_client`, what is about another client's messages is about nothing: whoever may send for one application
    must not have the recipients of another suppressed.

    Raises DatabaseError where nothing was stored; repeated, the same report counts once."""
    report = read_report(octets)
    if isinstance(report, Unrelated):
        return Intake(Verdict.AUTO_REPLY if report is Unrelated.AUTO_REPLY else Verdict.NO_REPORT)
    matches = [
        match for match in _matches(report, (forward_path, *report.addresses, *addresses_of(octets)))
        if only_client is None or match.delivery.message.client_id == only_client
    ]
    if not matches:
        return Intake(Verdict.UNMATCHED)
    digest = hashlib.sha256(octets).hexdigest()
    found = [_bounce(match, report, way, digest, now) for match in matches]
    with transaction.atomic():
        new = _stored([bounce for bounce, _ in found])
        suppressed = [
            row.address
            for (bounce, finding), match in zip(found, matches, strict=True)
            if bounce.pk in new and (entry := _suppression(match, bounce, finding)) is not None
            for row in suppress([entry], actor=ACTOR, now=now, message=match.delivery.message)
        ]
    kept = tuple(bounce for bounce, _ in found if bounce.pk in new)
    _log(kept, {match.delivery.pk: match.delivery for match in matches})
    return Intake(Verdict.RECORDED if kept else Verdict.REPEATED, kept, tuple(suppressed))


def _matches(report: Report, addresses: Sequence[str]) -> list[_Match]:
    """Each delivery that the report is about, once."""
    ids = dict.fromkeys(id_ for address in addresses if (id_ := delivery_in(address)) is not None)
    signed = Delivery.objects.select_related("message").filter(pk__in=list(ids)[:1], attempt_count__gt=0).first()
    if signed is not None:
        return [_of_signed(signed, report)]
    if ids or not report.message_id:
        return []
    messages = Message.objects.filter(message_id=report.message_id).order_by("-pk")[:_RESENT]
    found: dict[str, _Match] = {}
    for said in report.recipients:
        for delivery in _named(list(messages), said):
            is_only_one = delivery.message.deliveries.count() == 1
            found.setdefault(delivery.pk, _Match(delivery, said, is_same=True, is_proven=is_only_one))
    return list(found.values())


def _of_signed(delivery: Delivery, report: Report) -> _Match:
    """The worst that is said: behind the recipient's address there may be several, to which mail was passed on."""
    wanted = canonical(delivery.recipient)
    own = [said for said in report.recipients if said.recipient and canonical(said.recipient) == wanted]
    said = min(own or report.recipients, key=lambda each: _WORST_FIRST.index(each.kind))
    return _Match(delivery, said, is_same=bool(own) or not said.recipient)


def _named(messages: Sequence[Message], said: RecipientReport) -> list[Delivery]:
    """The latest delivery to the recipient that is named; a report that hides it is about a message to one person."""
    deliveries = Delivery.objects.select_related("message").filter(attempt_count__gt=0)
    for message in messages:
        of_message = deliveries.filter(message=message)
        if said.recipient:
            matching = of_message.filter(recipient__iexact=said.recipient)
        else:
            matching = of_message if of_message.count() == 1 else of_message.none()
        if (delivery := matching.first()) is not None:
            return [delivery]
    return []


def _bounce(match: _Match, report: Report, way: Way, digest: str, now: datetime) -> tuple[Bounce, Finding | None]:
    said, delivery = match.said, match.delivery
    finding = _finding(said, delivery.recipient)
    identity = f"{digest} {delivery.pk} {said.kind}"
    return Bounce(
        at=now, kind=str(said.kind), message=delivery.message, delivery=delivery, recipient=delivery.recipient,
        status=said.status, diagnostic=printable(said.diagnostic, DIAGNOSTIC_CHARACTERS),
        reporter=printable(report.reporter, 255), is_permanent=said.is_permanent,
        cause=finding.cause if finding else "", finding=finding.as_stored() if finding else None, way=str(way),
        digest=hashlib.sha256(identity.encode()).hexdigest(),
    ), finding


def _finding(said: RecipientReport, recipient: str) -> Finding | None:
    """Why the message came back, from the remote server's own words."""
    if said.kind is ReportKind.DELIVERED:
        return None
    if said.kind is ReportKind.COMPLAINT:
        return finding_of_cause("recipient-complained", quotes=(said.diagnostic,), values={"recipient": recipient})
    is_told = said.status and said.status not in said.diagnostic
    text = f"{said.status[0]}50 {said.status} {said.diagnostic}" if is_told else said.diagnostic
    finding = finding_of_text(text, client="bounce")
    return replace(finding, evidence=(printable(said.diagnostic or said.status, 300),))


def _stored(bounces: Sequence[Bounce]) -> set[str]:
    """Ids of those that are new, and not one too many of their delivery."""
    room = [b for b in bounces if Bounce.objects.filter(delivery_id=b.delivery_id).count() < BOUNCES_PER_DELIVERY]
    Bounce.objects.bulk_create(room, ignore_conflicts=True)
    return set(Bounce.objects.filter(pk__in=[b.pk for b in room]).values_list("pk", flat=True))


def _suppression(match: _Match, bounce: Bounce, finding: Finding | None) -> Entry | None:
    """The entry that follows from a bounce. Where mail was passed on elsewhere, the address itself is not at fault. Of
    a message to several people each knows the others' addresses and its Message-ID: their word suppresses nobody. A
    complaint counts whomever it names: providers hide who complained (RFC 6590), and whoever it was passed on to gets
    more as long as anything is sent to the address."""
    if not match.is_proven:
        return None
    address = canonical(match.delivery.recipient)
    if bounce.kind == ReportKind.COMPLAINT:
        return Entry(address, Reason.COMPLAINT, evidence=bounce.diagnostic[:500])
    if finding is None or not (match.is_same and bounce.is_permanent):
        return None
    is_certain = finding.confidence is Confidence.CERTAIN
    if not is_hard_bounce(bounce.status, finding.cause, cause_is_certain=is_certain):
        return None
    return Entry(address, Reason.HARD_BOUNCE, evidence=(bounce.diagnostic or bounce.status)[:500])


_OUTCOMES = {"failed": "bounced", "delayed": "delayed", "delivered": "confirmed", "complaint": "complained"}
_SEVERITIES = {"failed": "error", "delayed": "warning", "delivered": "information", "complaint": "warning"}


def _log(bounces: Sequence[Bounce], deliveries: dict[str, Delivery]) -> None:
    """A line of the activity log for each."""
    if not bounces:
        return
    log = ActivityLog(Path(settings.DATA_DIR) / "logs")
    try:
        for bounce in bounces:
            note(log, _entry(bounce, deliveries[bounce.delivery_id]))
    finally:
        log.close()


def _entry(bounce: Bounce, delivery: Delivery) -> dict[str, object]:
    finding, message = bounce.finding or {}, delivery.message
    return {
        "at": bounce.at, "kind": "bounce", "outcome": _OUTCOMES[bounce.kind], "severity": _SEVERITIES[bounce.kind],
        "recipient": delivery.recipient, "message_id": message.message_id, "message": message.pk,
        "delivery": delivery.pk, "subject": message.subject, "enhanced": bounce.status or None,
        "reply": bounce.diagnostic, "cause": bounce.cause or None, "title": finding.get("title"),
    }
