"""What an alert says, in the active language."""

from functools import cache
from typing import Any

from django.utils.translation import gettext as _

from postroom.diagnosis.catalogue import catalogue
from postroom.diagnosis.retelling import title_of
from postroom.policy.alert_kinds import KINDS
from postroom.store.models import Alert, AlertRule
from postroom.terms.wording import Wording

from ..instance.reader import language, translated


def said(stored: Any) -> str:
    """A stored `Wording` in the active language, causes by their titles; "" for what can't be read."""
    try:
        return Wording.from_json(stored).in_words_of(_say)
    except (KeyError, TypeError, ValueError, IndexError):
        return ""


def title_of_alert(alert: Alert) -> str:
    """The one line that names it."""
    return said(alert.title)


def steps_of(alert: Alert) -> list[str]:
    """What to do, step by step."""
    return [text for text in map(said, alert.fix) if text]


def name_of_rule(rule: AlertRule) -> str:
    """Its own name, or that of its kind."""
    kind = KINDS.get(rule.kind)
    return rule.name or (translated(kind.title) if kind is not None else rule.kind)


def _say(pattern: str) -> str:
    return _causes(language()).get(pattern) or _(pattern)


@cache
def _causes(wanted: str) -> dict[str, str]:
    """Titles of causes in a language by their English ones."""
    return {title_of(cause, "en"): title_of(cause, wanted) for cause in catalogue().causes}
