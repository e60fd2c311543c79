"""The language of whoever reads: which it is, and texts that were made or stored without knowing it."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header

from postroom.diagnosis import also_tried
from postroom.diagnosis.retelling import retold, title_of
from postroom.diagnosis.session_warnings import warnings_in
from postroom.message.test_mail import Voice
from postroom.store.models import User
from postroom.terms.wording import Wording

from .instance import LANGUAGES, site


def accepted_language(field: str) -> str:
    """The first language of an Accept-Language field (RFC 9110 section 12.5.4) that Postroom speaks, "" for none."""
    for wanted, quality in parse_accept_lang_header(field.lower()):
        base = wanted.split("-")[0]
        if base in LANGUAGES and quality > 0:
            return base
    return ""


def language() -> str:
    """The language that is active now: "en" or "fr"."""
    active = (get_language() or "en").split("-")[0]
    return active if active in LANGUAGES else "en"


def translated(text: str) -> str:
    """A text from the rooms below (`terms.wording`) in the active language; any other text as it is."""
    return text.in_words_of(_) if isinstance(text, Wording) else text


def told(stored: Mapping[str, Any] | None) -> dict[str, Any]:
    """A stored finding in the active language, {} for none."""
    return retold(stored, language()) if stored else {}


def told_tries(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a test looked at beside, in the active language: place, ok, text."""
    return also_tried.told(facts.get("also_tried", ()), language())


def told_warnings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What is unwise of a session that worked, in the active language: field, code, text."""
    return warnings_in(facts, language())


def voice_for(email: str) -> Voice:
    """How Postroom speaks in a mail that the person with this address asked for: in the person's language, else in the
    site's (blocking)."""
    here = site()
    person = User.objects.filter(email__iexact=email).first()
    chosen = person.language if person is not None and person.language in LANGUAGES else here.language

    def say(pattern: str) -> str:
        with override(chosen):
            return _(pattern)

    return Voice(chosen, say, here.name, settings.PUBLIC_URL)


def cause_title(cause: str, stored_title: str = "") -> str:
    """The title of a cause in the active language, where only the slug is known and perhaps its English title."""
    if language() == "en" and stored_title:
        return stored_title
    return title_of(cause, language()) or stored_title or cause
