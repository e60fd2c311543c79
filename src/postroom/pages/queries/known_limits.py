"""What a provider is known to allow, in words, and the limits of a server that say the same."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from postroom.flow.instance.reader import language
from postroom.pages import words
from postroom.policy.preset import preset_of_host
from postroom.terms.server import Limits, ServerSettings


@dataclass(frozen=True, slots=True)
class KnownLimits:
    """`said` are the limits in words, `notes` the provider's own words for them and others. `usable` are those that the
    settings do not have yet, by API name."""

    provider: str
    said: Sequence[str]
    notes: Sequence[str]
    usable: dict[str, int]


def known_limits(settings: ServerSettings) -> KnownLimits | None:
    """The limits that the preset of this host knows, None where there is none or it knows of none."""
    preset = preset_of_host(settings.host)
    if preset is None:
        return None
    stated = {field.name: getattr(preset.limits, field.name) for field in fields(Limits)}
    known = {name: value for name, value in stated.items() if value is not None}
    notes = preset.text(language()).limits
    if not known and not notes:
        return None
    usable = {name: value for name, value in known.items() if getattr(settings.limits, name) != value}
    return KnownLimits(preset.name, [_words(name, value) for name, value in known.items()], notes, usable)


def limits_with(settings: ServerSettings, known: KnownLimits) -> dict[str, Any]:
    """The setting `limits` with what is known."""
    return {**settings.as_json()["limits"], **known.usable}


def _words(name: str, value: int) -> str:
    count = words.number(value)
    match name:
        case "connections":
            text = ngettext("%(count)s connection at a time", "%(count)s connections at a time", value)
        case "messages_per_connection":
            text = ngettext("%(count)s message a connection", "%(count)s messages a connection", value)
        case "messages_per_minute":
            text = _("%(count)s a minute")
        case "messages_per_day":
            text = _("%(count)s a day")
        case "recipients_per_message":
            text = ngettext("%(count)s recipient a message", "%(count)s recipients a message", value)
        case _:
            return _("%(size)s a message") % {"size": words.size(value)}
    return text % {"count": count}
