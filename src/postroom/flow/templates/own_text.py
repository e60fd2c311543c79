"""What Postroom writes by itself: a template filled in for one person, or plain text where the template can't be used.

A notification or an alert has to leave even where somebody broke its template."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.utils.translation import gettext as _
from django.utils.translation import override

from postroom.message.template import TemplateFault

from ..instance.instance import site
from ..recipients.recipients import Addressed
from .templates import rendered

SUBJECT_CHARACTERS = 900

_log = structlog.get_logger("postroom.own_text")


@dataclass(frozen=True, slots=True)
class OwnText:
    """Subject and bodies, and the pictures that the HTML shows, as the API takes attachments."""

    subject: str
    text: str
    html: str = ""
    attachments: Sequence[Mapping[str, Any]] = ()


def own_text(template: str, to: Addressed, values: Mapping[str, Any]) -> OwnText:
    """The template of that name in the person's language; `values` has at least `title`, plain and in that language
    (blocking)."""
    recipient = {**to.values, "name": to.name, "address": to.address, "language": to.language}
    try:
        made = rendered(template, to.language or "en", {**values, "recipient": recipient})
    except TemplateFault as fault:
        _log.error("a template can't be used; plain text is sent instead", template=template, fault=str(fault))
        return plain_text(to, values)
    pictures = [
        {"filename": image.file_name, "content_type": image.media_type, "content_id": image.content_id, "inline": True,
         "content_base64": base64.b64encode(image.octets).decode("ascii")}
        for image in made.inline_images
    ]
    return OwnText(_one_line(made.subject) or _one_line(str(values["title"])), made.text, made.html, pictures)


def plain_text(to: Addressed, values: Mapping[str, Any]) -> OwnText:
    """The same without any template."""
    with override(to.language or "en"):
        items = values.get("alerts") or [values]
        parts = [_part(item, is_alone=len(items) == 1) for item in items]
        text = "\n\n\n".join(parts) + f"\n\n-- \n{site().name}\n"
    return OwnText(_one_line(str(values["title"])), text)


def _part(values: Mapping[str, Any], *, is_alone: bool) -> str:
    """The paragraphs of one thing that happened."""
    facts = "\n".join(f"{fact['label']}: {fact['value']}" for fact in values.get("facts", ()))
    steps = "\n".join(f"{number}. {step}" for number, step in enumerate(values.get("fix", ()), 1))
    log = _("The log is attached.") if values.get("log_attached") else ""
    head = "" if is_alone and values.get("text") else str(values["title"])
    paragraphs = [head, values.get("text", ""), facts, values.get("evidence", ""), steps, log, values.get("link", "")]
    return "\n\n".join(str(paragraph) for paragraph in paragraphs if paragraph)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:SUBJECT_CHARACTERS]
