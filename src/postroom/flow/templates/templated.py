"""A submitted message that names a template becomes one with subject and bodies."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from postroom.message.draft import Attachment
from postroom.store.models import Recipient
from postroom.terms.address import AddressProblem, canonical, parse_mailbox
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..messages.submitted import SubmittedMessage
from ..messages.to_draft import DraftRefused
from ..recipients.unsubscribe import LEAVE_PLACE

if TYPE_CHECKING:
    from .templates import Rendered


def templated(submitted: SubmittedMessage) -> tuple[SubmittedMessage, tuple[Attachment, ...]]:
    """The message with its template filled in, and the pictures its HTML shows; as it is where it names none
    (blocking). Raises DraftRefused."""
    if submitted.template is None:
        if submitted.data is not None:
            raise _refused("data", "unexpected", worded("Give data together with a template, or leave it out."))
        return submitted, ()
    if submitted.text is not None or submitted.html is not None:
        raise _refused("template", "contradiction", worded("Give a template, or text and html, not both."))
    place = {"leave_url": LEAVE_PLACE} if submitted.unsubscribe is not None else {}
    made = _rendered(submitted.template, {**place, **(submitted.data or {})}, submitted)
    values = {
        "subject": submitted.subject or made.subject, "text": made.text or None, "html": made.html or None,
    }
    return submitted.model_copy(update=values), inline_attachments(made)


def inline_attachments(made: "Rendered") -> tuple[Attachment, ...]:
    """The pictures of a rendered template as parts of a draft."""
    return tuple(
        Attachment(image.file_name, image.octets, image.media_type, image.content_id, inline=True)
        for image in made.inline_images
    )


def _rendered(name: str, data: Mapping[str, Any], submitted: SubmittedMessage) -> "Rendered":
    # Here, since the libraries that fill templates in cost 16 MB, and some processes never see a template.
    from postroom.message.template import TemplateFault

    from .templates import rendered

    recipient = _only_recipient(submitted)
    language = data.get("language") or recipient.pop("language", "")
    try:
        return rendered(name, language if isinstance(language, str) else "", {"recipient": recipient, **data})
    except TemplateFault as fault:
        raise _refused("template", "invalid", fault.text) from None


def _only_recipient(submitted: SubmittedMessage) -> dict[str, Any]:
    """What is known of the one recipient; empty where there are several, whose mail is the same."""
    if len(submitted.to) != 1 or submitted.cc or submitted.bcc:
        return {}
    try:
        mailbox = parse_mailbox(submitted.to[0])
    except AddressProblem:
        return {}
    address = str(mailbox.address)
    row = Recipient.objects.filter(address_key=canonical(address)).first()
    if row is None:
        return {"name": mailbox.name, "address": address}
    return {
        **row.values, "name": mailbox.name or row.name, "address": address, "language": row.language,
        "time_zone": row.time_zone,
    }


def _refused(field: str, code: str, text: str) -> DraftRefused:
    return DraftRefused([FieldError(field, code, text)])
