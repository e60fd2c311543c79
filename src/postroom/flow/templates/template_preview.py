"""A template as its recipients will see it: filled in with its sample, measured, and checked for who can't read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from postroom.message.accessibility import Barrier, barriers
from postroom.message.compose import compose
from postroom.message.draft import Draft, DraftProblem
from postroom.message.html_mail import CLIPPED_BYTES
from postroom.message.template import TemplateFault
from postroom.terms.address import Mailbox, parse_address
from postroom.terms.wording import Wording, worded

from ..instance.branding import branding
from ..instance.instance import site
from .built_in import TemplateSource
from .templated import inline_attachments
from .templates import LOGO, Rendered, rendered_source

_SOMEBODY = Mailbox(parse_address("somebody@example.com"))


@dataclass(frozen=True, slots=True)
class TemplatePreview:
    """`size_bytes` is that of the whole message, encoded, without attachments. `html` shows the logo without any
    attachment. `notes` are what is worth a second look beside the barriers."""

    rendered: Rendered
    html: str
    size_bytes: int
    barriers: tuple[Barrier, ...]
    notes: tuple[Wording, ...]


def preview(source: TemplateSource, values: Mapping[str, Any]) -> TemplatePreview:
    """Raises TemplateFault (blocking)."""
    brand = branding()
    made = rendered_source(source, values, site(), brand)
    html = made.html
    if brand.logo is not None:
        html = html.replace(f"cid:{LOGO}", brand.logo.data_url)
    found = tuple(barriers(made.html)) if made.html else ()
    return TemplatePreview(made, html, _size_bytes(made), found, tuple(_notes(made)))


def _size_bytes(made: Rendered) -> int:
    draft = Draft(
        _SOMEBODY, (_SOMEBODY,), subject=made.subject, text=made.text, html=made.html or None,
        attachments=inline_attachments(made),
    )
    try:
        composed = compose(
            draft, message_id="<preview@example.com>", date=datetime(2026, 1, 1, tzinfo=UTC), boundary_seed="preview"
        )
    except DraftProblem as problem:
        raise TemplateFault(Wording.of((problem.text.replace("{", "{{").replace("}", "}}"), {}))) from None
    return composed.size_bytes


def _notes(made: Rendered) -> list[Wording]:
    notes = []
    if not made.subject:
        notes.append(worded("The subject is empty."))
    if len(made.html.encode()) > CLIPPED_BYTES:
        notes.append(worded("Gmail cuts messages of over 102 KB of HTML and hides the rest behind a link."))
    if made.missing:
        names = ", ".join(made.missing)
        notes.append(worded("Not among the sample values: {names}. Without a value nothing stands there.", names=names))
    return notes
