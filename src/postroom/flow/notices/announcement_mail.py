"""What an announcement says to each recipient: the text with their values, in the template, in their language."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async

from postroom.message.template import TemplateFault
from postroom.store.models import Announcement
from postroom.terms.address import written

from ..acceptance.accept import Acceptor
from ..instance.branding import branding
from ..instance.instance import site
from ..messages.request import Person
from ..recipients.recipients import Addressed
from ..templates.built_in import TemplateSource
from ..templates.own_text import OwnText, own_text
from ..templates.templates import InlineImage, image_in_body, rendered_source, source_of, text_filled_in
from .announcements import known_of, text_for

# The list that recipients can leave.
LIST = "Announcements"
TAG = TEMPLATE = "announcement"


@dataclass(frozen=True, slots=True)
class Previewed:
    """What one recipient gets; `missing` are values that the text asks for and this recipient does not have."""

    to: Addressed
    made: OwnText
    missing: tuple[str, ...] = ()


class Writer:
    """Writes one announcement for many people: template and branding are read once. `image` makes an attachment of a
    picture."""

    def __init__(
        self, announcement: Announcement, image: Callable[[InlineImage], dict[str, Any]] = image_in_body
    ) -> None:
        self.announcement, self._image = announcement, image
        self._site, self._branding = site(), branding()
        self._sources: dict[str, TemplateSource] = {}

    def body(self, to: Addressed) -> dict[str, Any]:
        """The message of one recipient, as the API takes it (blocking). Raises TemplateFault, Problem."""
        announcement, made = self.announcement, self.previewed(to).made
        body = {
            "to": written(to.address, to.name), "subject": made.subject, "html": made.html, "text": made.text,
            "attachments": list(made.attachments), "purpose": "communication", "priority": -1, "tags": [TAG],
            "metadata": {"announcement": announcement.pk}, "server": announcement.server_id or "",
            "unsubscribe": LIST if announcement.can_leave else "",
        }
        return {name: value for name, value in body.items() if value}

    def previewed(self, to: Addressed) -> Previewed:
        """Subject and bodies in the recipient's language, where the announcement is written in it (blocking). Raises
        TemplateFault where its own text can't be filled in; `own_text` stands in for a template that somebody broke."""
        values, missing = self._values(to)
        try:
            if to.language not in self._sources:
                self._sources[to.language] = source_of(TEMPLATE, to.language, self._site)
            made = rendered_source(self._sources[to.language], values, self._site, self._branding)
        except TemplateFault:
            return Previewed(to, own_text(TEMPLATE, to, values), missing)
        pictures = [self._image(image) for image in made.inline_images]
        return Previewed(to, OwnText(made.subject or values["title"], made.text, made.html, pictures), missing)

    def _values(self, to: Addressed) -> tuple[dict[str, Any], tuple[str, ...]]:
        """What the template gets; what its subject and text asked for in vain."""
        text, sender = text_for(self.announcement, to.language), self.announcement.sender_name
        known = {
            "sender": sender if isinstance(sender, str) else "",
            "recipient": known_of(to),
        }
        subject, body = (
            text_filled_in(text[name], to.language, known, self._site, self._branding) for name in ("subject", "text")
        )
        title = " ".join(subject.text.split())
        return {**known, "title": title, "text": body.text}, tuple(dict.fromkeys((*subject.missing, *body.missing)))


async def send_test(
    acceptor: Acceptor, announcement: Announcement, seen_as: Addressed, to: Addressed, sender: Person
) -> str:
    """Queue what `seen_as` would get for one person to look at, who may be none of its recipients; the message's id.
    Raises Problem, TemplateFault."""
    body: Mapping[str, Any] = await sync_to_async(lambda: Writer(announcement).body(seen_as))()
    kept = {name: value for name, value in body.items() if name not in ("unsubscribe", "metadata")}
    return (await acceptor.accept({**kept, "to": written(to.address, to.name), "priority": 0}, sender)).enqueued.id


def previewed(announcement: Announcement, to: Addressed) -> Previewed:
    """What that recipient would get (blocking). Raises TemplateFault."""
    return Writer(announcement).previewed(to)
