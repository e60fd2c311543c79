"""What the pages show of a look at a domain: what it came to in the reader's words, or that it is being waited for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postroom.diagnosis.domain import Wording, has_words, wording_of
from postroom.flow.domains.check_domain import TooManyChecks, ask, latest_check
from postroom.flow.domains.read_domain import domain_in
from postroom.flow.instance.reader import language
from postroom.pages.states import Look
from postroom.store.models import DomainCheck

# A person asks seldom; a page asks while it waits, 25 times within 20 seconds.
TRIES = 25
RECIPIENT_DOMAINS = 3
# In a list with commas, semicolons or line ends, with or without display names.
_ADDRESS = re.compile(r"[^\s<>,;\"]+@[^\s<>,;\"]+")
SENDER_PARTS = ("domain", "spf", "dkim", "dmarc")

_LOOKS = {
    "ok": Look("", "circle-check", "ok"),
    "warn": Look("", "alert-triangle", "warn"),
    "bad": Look("", "circle-x", "bad"),
    "unknown": Look("", "help-circle", "idle"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One part in words. `record` is the quoted record, `add` what to publish, `page` where it is explained;
    `provider` shows the values that only the domain's account has."""

    name: str
    look: Look
    words: Wording
    record: str = ""
    add: tuple[dict[str, str], ...] = ()
    page: str = ""
    provider: str = ""

    @property
    def is_ok(self) -> bool:
        return self.look.tone == "ok"

    @property
    def icon_kind(self) -> str:
        return f"pr-{self.look.tone}"

    @property
    def has_more(self) -> bool:
        return bool(self.words.fix or self.add or self.page)


@dataclass(frozen=True, slots=True)
class DomainView:
    """`state`: empty (no domain yet), waiting, late (no engine answered), full (too many wait), done."""

    domain: str = ""
    state: str = "empty"
    lines: tuple[Line, ...] = ()
    read_at: datetime | None = None
    tries: int = 0
    exchangers: tuple[str, ...] = ()

    @property
    def polls(self) -> bool:
        return self.state == "waiting"


def asked_view(typed: str, host: str, names: Iterable[str], *, tries: int = 0, anew: bool = False) -> DomainView:
    """The view of a domain that somebody asks about now: a check is asked for where none answers."""
    domain = domain_in(typed)
    if not domain:
        return DomainView()
    try:
        check = ask(domain, host, anew=anew)
    except TooManyChecks:
        return DomainView(domain, "full")
    return _view(check, names, tries)


def stored_view(typed: str, host: str, names: Iterable[str]) -> DomainView:
    """The view of what was asked before, without asking: waiting where nothing is known yet."""
    domain = domain_in(typed)
    check = latest_check(domain, host) if domain else None
    if check is None:
        return DomainView(domain, "waiting") if domain else DomainView()
    return _view(check, names, 0)


def recipient_domains(typed: str) -> tuple[str, ...]:
    """The domains of what was typed as one or several recipients, the first three; what is unfinished has none."""
    found = (domain_in(address) for address in _ADDRESS.findall(typed))
    return tuple(dict.fromkeys(filter(None, found)))[:RECIPIENT_DOMAINS]


def _view(check: DomainCheck, names: Iterable[str], tries: int) -> DomainView:
    if check.finished_at is None:
        return DomainView(check.domain, "waiting" if tries < TRIES else "late", tries=tries + 1)
    parts: dict[str, Any] = check.result["parts"]
    lines = tuple(line_of(name, parts[name]) for name in names if name in parts and has_words(parts[name]))
    exchangers = tuple(check.result["exchangers"])
    return DomainView(check.domain, "done", lines, check.finished_at, exchangers=exchangers)


def line_of(name: str, part: dict[str, Any]) -> Line:
    """A stored part in the reader's language."""
    return Line(
        name, _LOOKS[part["status"]], wording_of(part, language()), part["record"], tuple(part["add"]), part["page"],
        part["values"].get("provider", ""),
    )
