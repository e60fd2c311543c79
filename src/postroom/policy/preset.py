"""Presets: what each provider asks of a server's settings, as data (presets/*.toml), read once."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from postroom.terms.mail_provider import mail_providers
from postroom.terms.server import Auth, Limits, Security, ServerSettings

LANGUAGES = ("en", "fr")


class Group(StrEnum):
    """What kind of provider it is, as the list of providers is divided."""

    SENDING = "sending"
    MAILBOX = "mailbox"
    OWN = "own"


class Basis(StrEnum):
    """What an entry rests on: the provider's own page, or two public sources that agree and know nothing of each
    other, where no page of the provider could be read."""

    VENDOR = "vendor"
    TWO_SOURCES = "two-sources"


@dataclass(frozen=True, slots=True)
class Region:
    """A place where a provider runs; each has a host of its own, and credentials that only fit there."""

    host: str
    name: str


@dataclass(frozen=True, slots=True)
class Way:
    """A port that a provider answers on, and how the connection is encrypted there."""

    port: int
    security: Security


@dataclass(frozen=True, slots=True)
class PresetText:
    """`name` is the preset's own unless that is no proper name; `line` says in few words what it is, `username` and
    `password` what to enter, `steps` what to do at the provider first, `limits` what the provider states, `notice` what
    an administrator must know before choosing it."""

    name: str
    line: str
    username: str = ""
    password: str = ""
    steps: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """A provider's settings. A fact that its own page does not state is absent: "" or None.

    `host` is "" where each customer has one of its own. `username` is the one that everybody enters, such as apikey;
    `username_is_address` tells that it is the mailbox's address. `source` is the page that states it, `also` further
    ones, `basis` what they are worth, and `checked` the day their text was last read; servers of one's own have none.
    """

    slug: str
    name: str
    group: Group
    ways: tuple[Way, ...]
    auth: Auth
    texts: Mapping[str, PresetText]
    host: str = ""
    regions: tuple[Region, ...] = ()
    below: tuple[str, ...] = ()
    username: str = ""
    username_is_address: bool = False
    limits: Limits = field(default_factory=Limits)
    basis: Basis | None = None
    source: str = ""
    also: tuple[str, ...] = ()
    checked: date | None = None

    @property
    def is_vendors_word(self) -> bool:
        return self.basis is Basis.VENDOR

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host that this preset fills in, the usual one first."""
        return tuple(region.host for region in self.regions) or ((self.host,) if self.host else ())

    def text(self, language: str) -> PresetText:
        """The words in a language, English where there are none in it."""
        return self.texts.get(language) or self.texts["en"]

    def recognises(self, host: str) -> bool:
        return host in self.hosts or any(host.endswith(f".{suffix}") for suffix in self.below)

    def filled_in(self, settings: ServerSettings, host: str = "") -> ServerSettings:
        """The settings with what this provider asks; `host` picks one of its regions. The customer's own stays."""
        known = self.hosts
        way = self.ways[0]
        return replace(
            settings,
            name=settings.name or self.name,
            host=host if host in known else known[0] if known else "",
            port=way.port,
            security=way.security,
            auth=self.auth,
            username=self.username,
        )


@cache
def presets() -> Mapping[str, Preset]:
    """Every preset by its slug, in the order of the files. Raises ValueError or KeyError on a malformed entry."""
    folder = files(__package__) / "presets"
    found: dict[str, Preset] = {}
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if not file.name.endswith(".toml"):
            continue
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        if twice := found.keys() & table.keys():
            raise ValueError(f"These presets are there twice: {sorted(twice)}.")
        found.update((slug, _preset(slug, row)) for slug, row in table.items())
    return found


def preset(slug: str) -> Preset | None:
    return presets().get(slug)


def preset_of_host(host: str) -> Preset | None:
    """The preset that fills in this host, or whose customers have hosts below a name of it."""
    name = host.strip().lower().rstrip(".")
    return next((each for each in presets().values() if each.recognises(name)), None) if name else None


def completed(settings: ServerSettings, chosen: Preset | None) -> ServerSettings:
    """The settings with what is plain from the rest: an empty name, From Address or user name.

    An empty From Address is the user name where that is an address, and the other way round where the provider asks for
    the address; an empty name is the provider's or the host.
    """
    username, from_address = settings.username.strip(), settings.from_address.strip()
    uses_password = settings.auth is Auth.PASSWORD
    if uses_password and not username and chosen is not None:
        username = chosen.username or (from_address if chosen.username_is_address else "")
    if uses_password and not from_address and "@" in username:
        from_address = username
    name = settings.name.strip() or (chosen.name if chosen and settings.host else settings.host.strip())
    return replace(
        settings,
        name=name,
        username=settings.username if settings.username.strip() else username,
        from_address=settings.from_address if settings.from_address.strip() else from_address,
    )


def _preset(slug: str, row: Mapping[str, Any]) -> Preset:
    first = Way(row["port"], Security(row["security"]))
    name = row["name"] if "name" in row else mail_providers()[slug].name
    others = (Way(port, Security(security)) for port, security in row.get("or", ()))
    return Preset(
        slug=slug,
        name=name,
        group=Group(row["group"]),
        ways=(first, *others),
        auth=Auth(row.get("auth", "password")),
        texts={language: _text({"name": name, **row[language]}) for language in LANGUAGES},
        host=row.get("host", ""),
        regions=tuple(Region(host, name) for host, name in row.get("regions", ())),
        below=tuple(row.get("below", ())),
        username=row.get("username", ""),
        username_is_address=row.get("username_is_address", False),
        limits=Limits(**row.get("limits", {})),
        basis=Basis(row["basis"]) if "basis" in row else None,
        source=row.get("source", ""),
        also=tuple(row.get("also", ())),
        checked=row.get("checked"),
    )


def _text(row: Mapping[str, Any]) -> PresetText:
    lists = {name: tuple(row[name]) for name in ("steps", "limits") if name in row}
    return PresetText(**{**row, **lists})
