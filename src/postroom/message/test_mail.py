"""The mail of a live test: from the server's From to its Test Mail address, composed as any other."""

from dataclasses import dataclass
from datetime import datetime
from html import escape

from postroom.terms.address import Mailbox, checked_name, parse_address
from postroom.terms.server import ServerSettings
from postroom.terms.wording import Translate, Wording, worded

from .compose import Composed, compose, prefixed_subject
from .draft import Draft


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks in a mail that Postroom writes itself: `language` (RFC 5646) into which `say` translates, the
    installation's name and its public address ("" for none)."""

    language: str = "en"
    say: Translate = str
    site: str = "Postroom"
    public_url: str = ""


def compose_test_mail(
    settings: ServerSettings, *, message_id: str, date: datetime, voice: Voice | None = None
) -> Composed:
    """The test mail. Raises AddressProblem when From Address or Test Mail isn't an address."""
    voice = voice or Voice()
    sentences = [sentence.in_words_of(voice.say) for sentence in _sentences(settings, date, voice)]
    subject = worded("{site} test message", site=voice.site).in_words_of(voice.say)
    page = "".join(f"<p>{escape(sentence)}</p>\n" for sentence in sentences)
    draft = Draft(
        from_header=Mailbox(parse_address(settings.from_address), checked_name(settings.from_name)),
        to=(Mailbox(parse_address(settings.test_recipient)),),
        subject=prefixed_subject(settings.subject_prefix, subject),
        text="\n\n".join(sentences),
        html=f'<!DOCTYPE html>\n<html lang="{voice.language}"><body>\n{page}</body></html>\n',
        headers=(("Auto-Submitted", "auto-generated"),),
    )
    return compose(draft, message_id=message_id, date=date, boundary_seed="test")


def _sentences(settings: ServerSettings, date: datetime, voice: Voice) -> list[Wording]:
    sentences = [
        worded(
            "This message proves that the server “{name}” can send mail ({host}, port {port}).",
            name=settings.name or settings.host, host=settings.host, port=settings.port,
        ),
        worded("It left on the same path as every message of Postroom."),
        worded("Tested at {time} UTC.", time=f"{date:%Y-%m-%d %H:%M:%S}"),
    ]
    if voice.public_url:
        sentences.append(worded("Sent by {site} at {url}", site=voice.site, url=voice.public_url))
    return sentences
