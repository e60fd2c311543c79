"""What this installation is called, the language it speaks when nobody chose one, and the zone its nights are in."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.db import transaction
from django.utils.translation import gettext as _

from postroom.store import audit
from postroom.store.models import InstanceValue
from postroom.terms.problem import FieldError

LANGUAGES = {"en": "English", "fr": "Français"}
NAME_CHARACTERS = 60
_PREFIX = "site_"


@dataclass(frozen=True, slots=True)
class Site:
    """`name` stands in the frame of every page and in test mails; `language` is "en" or "fr"."""

    name: str = "Postroom"
    language: str = "en"
    time_zone: str = "UTC"

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the site's nights; UTC where this machine no longer knows the name."""
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")


class SiteRefused(Exception):
    """The values can't be taken; `problems` says of each what to enter instead."""

    def __init__(self, problems: list[FieldError]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.text}" for problem in problems))
        self.problems = problems


def site() -> Site:
    """As it is stored, with defaults for what nobody has set (blocking)."""
    rows = InstanceValue.objects.filter(name__startswith=_PREFIX)
    stored = {row.name.removeprefix(_PREFIX): str(row.value) for row in rows}
    known = {name: value for name, value in stored.items() if name in asdict(Site())}
    return Site(**known)


def change_site(values: Mapping[str, str], actor: str) -> Site:
    """Store what differs and note it in the audit trail. Raises SiteRefused."""
    with transaction.atomic():
        before = site()
        after = Site(**{**asdict(before), **{name: value.strip() for name, value in values.items()}})
        if problems := _problems(after):
            raise SiteRefused(problems)
        old = asdict(before)
        changes = {name: [old[name], value] for name, value in asdict(after).items() if value != old[name]}
        for name, (_old, value) in changes.items():
            InstanceValue.objects.update_or_create(name=_PREFIX + name, defaults={"value": value})
        if changes:
            audit.record(actor, "site.change", after.name, changes)
    return after


def time_zones(chosen: str = "UTC") -> list[str]:
    """The zones that a person may choose: UTC, those of places, and what was chosen otherwise."""
    places = {z for z in available_timezones() if "/" in z and not z.startswith(("Etc/", "SystemV/"))}
    return ["UTC", *sorted((places | {chosen}) - {"UTC"})]


def _problems(wanted: Site) -> list[FieldError]:
    problems = []
    if not wanted.name or not wanted.name.isprintable() or len(wanted.name) > NAME_CHARACTERS:
        text = _("Enter a name of 1 to %(most)d characters, such as Norrvik Freight.") % {"most": NAME_CHARACTERS}
        problems.append(FieldError("name", "name", text))
    if wanted.language not in LANGUAGES:
        problems.append(FieldError("language", "language", _("Choose one of the languages of the list.")))
    if wanted.time_zone not in available_timezones():
        problems.append(FieldError("time_zone", "time-zone", _("Choose a time zone of the list.")))
    return problems
