"""A request becomes a message that nothing but the disk can stop: checked, its server chosen, composed."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import ValidationError

from postroom.message.compose import Composed, compose
from postroom.message.draft import Attachment, Draft, DraftProblem
from postroom.policy.retry import lifetime_of
from postroom.store.blobs import DamagedBlob
from postroom.store.ids import new_id
from postroom.terms.header import is_message_id
from postroom.terms.problem import FieldError, too_large
from postroom.terms.test_mode import TestMode
from postroom.terms.wording import worded

from ..domains.dkim_signing import signed
from ..domains.recipient_domains import domain_errors
from ..messages.attached import NO_UPLOAD, Attached
from ..messages.request import HeldBack, Request
from ..messages.submitted import RECIPIENTS, SubmittedMessage, field_errors
from ..messages.to_draft import DraftRefused, draft_of
from ..messages.traits import traits_of
from ..recipients.unsubscribe import check_list, of_list
from ..templates.templated import templated
from .current import Current, Sender
from .sending_server import Choice, ServerRefused, sending_server
from .test_mode import deciding, in_test_mode

LATEST_SEND = timedelta(days=366)
_SUBJECT_CHARACTERS = 998
_validated = SubmittedMessage.__pydantic_validator__.validate_python
_NOTHING_STORED = Attached()


@dataclass(frozen=True, slots=True)
class Ready:
    """A message that nothing but the disk can stop. `is_bound`: no other server may carry it. `test_mode` is the one
    that sent it elsewhere; `true_recipients` are then the addresses it would have gone to."""

    submitted: SubmittedMessage
    draft: Draft
    composed: Composed
    message_id: str
    server: Sender
    accepted_at: datetime
    expires_at: datetime
    is_bound: bool = False
    test_mode: TestMode | None = None
    true_recipients: tuple[str, ...] = ()


class Refused(Exception):
    """The message can't be taken; `errors` name the fields at fault, with the message's place before them."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__()
        self.errors = errors


def ready_message(
    request: Request, current: Current, now: datetime, attached: Attached = _NOTHING_STORED, client_id: str = ""
) -> Ready:
    """The message of a request; `client_id` is that of its token. Raises Refused, and Problem for what no other message
    could do better."""
    try:
        submitted, images = templated(_validated(request.body))
        chosen = sending_server(submitted.server, current, lambda: traits_of(submitted, client_id))
        mode = deciding((current.test_mode, chosen.sender.test_mode, request.test_mode), now)
        if mode is not None and request.goes_to_nobody_else:
            raise HeldBack
        ready = _ready(submitted, images, chosen, now, attached, current, mode)
        return _signed(ready, current, attached) if current.keys else ready
    except ValidationError as error:
        raise Refused(field_errors(error, request.place)) from None
    except ServerRefused as refusal:
        raise Refused([_placed(refusal.error, request.place)]) from None
    except DraftRefused as refusal:
        raise Refused([_placed(error, request.place) for error in refusal.errors]) from None


def _ready(
    submitted: SubmittedMessage, images: tuple[Attachment, ...], chosen: Choice, now: datetime, attached: Attached,
    current: Current, mode: TestMode | None,
) -> Ready:
    server, errors = chosen.sender, time_errors(submitted, now)
    try:
        draft = draft_of(submitted, server.settings, attached)
        draft = true_draft = replace(draft, attachments=(*draft.attachments, *images)) if images else draft
        _refuse_domains(draft, current)
        if submitted.unsubscribe is not None:
            check_list(draft, submitted.unsubscribe)
        if mode is not None:
            draft = in_test_mode(draft, mode)
            _refuse_domains(draft, current)
        if submitted.unsubscribe is not None:
            draft = of_list(draft, submitted.unsubscribe, now)
    except DraftRefused as refusal:
        raise DraftRefused((*errors, *refusal.errors)) from None
    message_id = _submitted_message_id(submitted) or _own_message_id(draft)
    try:
        composed = compose(draft, message_id=message_id, date=now, boundary_seed=message_id)
    except DraftProblem as problem:
        raise DraftRefused((*errors, FieldError(problem.field, "invalid", problem.text))) from None
    errors += _size_errors(draft.subject, composed, server)
    if errors:
        raise DraftRefused(errors)
    expires_at = submitted.expires_at or (submitted.send_at or now) + lifetime_of(submitted.purpose)
    return Ready(
        submitted, draft, composed, message_id, server, now, max(expires_at, now), chosen.is_bound, mode,
        recipients_of(true_draft) if mode is not None else (),
    )


def recipients_of(draft: Draft) -> tuple[str, ...]:
    """The bare addresses of To, Cc and Bcc, each once."""
    return tuple(dict.fromkeys(str(mailbox.address) for mailbox in (*draft.to, *draft.cc, *draft.bcc)))


def _refuse_domains(draft: Draft, current: Current) -> None:
    """Raises DraftRefused naming the fields with recipients in domains that mail may not go to."""
    if not current.domains.patterns:
        return
    places = (("to", draft.to), ("cc", draft.cc), ("bcc", draft.bcc))
    errors = domain_errors(current.domains, (
        (field, (mailbox.address.domain for mailbox in mailboxes)) for field, mailboxes in places
    ))
    if errors:
        raise DraftRefused(errors)


def _signed(ready: Ready, current: Current, attached: Attached) -> Ready:
    octets = attached.octets(ready.composed.parts)
    try:
        return replace(ready, composed=signed(ready.composed, octets, current.keys, ready.accepted_at))
    except DamagedBlob:
        raise DraftRefused([FieldError("attachments", "not-found", NO_UPLOAD)]) from None


def _placed(error: FieldError, place: str) -> FieldError:
    return FieldError(place + error.field, error.code, error.text, error.suggestion) if place else error


def time_errors(submitted: SubmittedMessage, now: datetime) -> list[FieldError]:
    errors = []
    if submitted.send_at is not None and submitted.send_at > now + LATEST_SEND:
        errors.append(FieldError(
            "send_at", "range", worded("Enter a time within {days} days from now.", days=LATEST_SEND.days)
        ))
    earliest = max(now, submitted.send_at) if submitted.send_at else now
    if submitted.expires_at is not None and not earliest < submitted.expires_at <= now + 2 * LATEST_SEND:
        errors.append(FieldError(
            "expires_at", "range", worded("Enter a time after now and after send_at, within two years.")
        ))
    return errors


def _size_errors(subject: str, composed: Composed, server: Sender) -> list[FieldError]:
    errors = []
    if len(subject) > _SUBJECT_CHARACTERS:
        errors.append(FieldError(
            "subject", "too-long", worded("Shorten it: with the server's Subject Prefix it is too long.")
        ))
    if len(composed.recipients) > RECIPIENTS:
        errors.append(FieldError(
            "to", "too-many", worded("A message takes at most {most} recipients. Split it.", most=RECIPIENTS)
        ))
    limit = server.settings.limits.size_bytes
    if limit is not None and composed.size_bytes > limit:
        raise too_large(limit, f"composed message, for the server “{server.name}”,")
    return errors


def _submitted_message_id(submitted: SubmittedMessage) -> str | None:
    given = (text.strip(" ") for name, text in submitted.headers.items() if name.lower() == "message-id")
    return next((text for text in given if is_message_id(text)), None)


def _own_message_id(draft: Draft) -> str:
    domain = draft.from_header.address.domain.strip("[]").removeprefix("IPv6:").replace(":", ".")
    return f"<{new_id().lower()}@{domain}>"
