"""The providers as the form Configure SMTP server offers them."""

from dataclasses import dataclass
from typing import Any

from postroom.flow.instance.reader import language
from postroom.policy.preset import Group, Preset, PresetText, preset, preset_of_host, presets
from postroom.store.models import SmtpServer
from postroom.terms.server import Auth, ServerSettings

from ..forms.server_limits import typed_limits

_TILES = {
    "microsoft365": "brand-office", "gmail": "brand-google", "ses": "brand-aws", "sendgrid": "send",
    "exchange": "server-2", "postfix": "affiliate", "other": "dots-circle-horizontal",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A provider that was chosen or recognised. `fill` maps names of fields to what choosing it enters."""

    preset: Preset
    region: str
    text: PresetText
    fill: dict[str, Any]
    limits: dict[str, str]


def tiles() -> list[tuple[Preset, PresetText, str]]:
    """(preset, its words, icon) of those that most use, as tiles."""
    found = [(preset(slug), icon) for slug, icon in _TILES.items()]
    return [(each, each.text(language()), icon) for each, icon in found if each is not None]


def further() -> list[tuple[Group, list[Preset]]]:
    """The others by group, each group by name."""
    rest = [each for each in presets().values() if each.slug not in _TILES]
    return [
        (group, sorted((each for each in rest if each.group is group), key=lambda each: each.name.lower()))
        for group in (Group.SENDING, Group.MAILBOX)
    ]


def chosen(slug: str, region: str = "") -> Chosen | None:
    """The provider under a slug, filled in for a region of it; None for a slug that nobody has."""
    each = preset(slug)
    return None if each is None else _chosen(each, region)


def recognised(settings: ServerSettings) -> Chosen | None:
    """The provider of settings that are there already; None where no host is entered."""
    if not settings.host.strip():
        return None
    each = preset_of_host(settings.host)
    if each is not None:
        return _chosen(each, settings.host.strip().lower())
    return chosen("postfix" if settings.auth is Auth.NONE else "other")


def free_name(wanted: str, own: SmtpServer | None) -> str:
    """A server's name that no other one has: the wanted one, or with a number behind it."""
    others = SmtpServer.objects.exclude(pk=own.pk if own else "").values_list("name", flat=True)
    taken = {name.lower() for name in others}
    names = (wanted, *(f"{wanted} {number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name.lower() not in taken)


def _chosen(each: Preset, region: str) -> Chosen:
    meant = each.filled_in(ServerSettings(), region)
    fill = {
        "name": free_name(each.text(language()).name, None) if each.slug != "other" else "",
        "host": meant.host,
        "port": str(meant.port),
        "security": str(meant.security),
        "auth": str(meant.auth),
        "username": meant.username,
    }
    limits = {name: text for name, text in typed_limits(each.limits).items() if text}
    return Chosen(each, meant.host if each.regions else "", each.text(language()), fill, limits)
