"""A case: a server with one fault, the settings that lead to it, and what a diagnosis has to say.

Cases are data, in the files of tests/faults/cases. Each begins with `=== NAME`; the acts are those of
tests/dialogs/player.py, `@PART` stands for the acts of that name in parts.smtp, and `= KEY VALUE` is one of

    cause SLUG|SLUG      the causes of which one has to be named; none for a healthy server
    says WORD|WORD, …    of each group one has to be in the answer's own words (title, explanation, fix, alternatives)
    never WORD|WORD      none of these may be
    retry CLASS          the retry class, where it matters
    security, host, port, username, password, from, to, ehlo    settings; a username means signing in
    trusts nobody        the case's authority is not added to those that are trusted
    certificate KIND     see tests/faults/certificates.py
    peer KIND            refused, silent (an unanswered connection attempt): there is no dialog
    address A            what the host's name is, in place of 127.0.0.1
    dns none|broken      there is no such name, or the DNS does not work
    send no              check the connection only
    delivery no          what the case shows cannot come up in a delivery
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.dialogs.player import Dialog, dialog_of

from postroom.terms.server import Auth, Security, ServerSettings

FOLDER = Path(__file__).parent / "cases"
HOST = "mail.norrvik.example"
USERNAME, PASSWORD = "reports@norrvik.example", "Lantern-Harbour-41"
SENDER, RECIPIENT = "reports@norrvik.example", "anna@customer.example"


@dataclass(frozen=True)
class Case:
    """One case; `category` is its file's name."""

    name: str
    category: str
    dialog: Dialog

    def value(self, key: str, usual: str = "") -> str:
        return self.dialog.values.get(key, usual)

    @property
    def causes(self) -> tuple[str, ...]:
        return tuple(self.value("cause").split("|")) if self.value("cause") else ()

    @property
    def is_healthy(self) -> bool:
        return not self.causes

    @property
    def says(self) -> tuple[tuple[str, ...], ...]:
        groups = filter(None, self.value("says").split(", "))
        return tuple(tuple(group.strip().lower().split("|")) for group in groups)

    @property
    def never(self) -> tuple[str, ...]:
        return tuple(self.value("never").lower().split("|")) if self.value("never") else ()

    @property
    def host(self) -> str:
        return self.value("host", HOST).strip('"')

    @property
    def password(self) -> str | None:
        return self.value("password", PASSWORD).strip('"') if self.value("username") else None

    @property
    def has_trusted_certificate(self) -> bool:
        return self.value("certificate", "good") == "good" and self.value("trusts") != "nobody"

    def settings(self, port: int, ca_pem: str) -> ServerSettings:
        """What the administrator entered; a port of the case's own stands for what listens on `port`."""
        signs_in = bool(self.value("username"))
        return ServerSettings(
            name=self.name, host=self.host, port=int(self.value("port", str(port))),
            security=Security(self.value("security", "none")),
            auth=Auth.PASSWORD if signs_in else Auth.NONE, username=self.value("username").strip('"'),
            from_address=self.value("from", SENDER), test_recipient=self.value("to", RECIPIENT),
            ehlo_name=self.value("ehlo"), ca_pem="" if self.value("trusts") == "nobody" else ca_pem,
        )


def case_of(name: str, category: str, text: str) -> Case:
    """A case given as text, its parts still named."""
    lines = [part for line in text.splitlines() for part in _whole(line)]
    return Case(name, category, dialog_of(name, "\n".join(lines)))


def _whole(line: str) -> list[str]:
    stripped = line.strip()
    if not stripped.startswith("@"):
        return [line]
    return [part for inner in _sections((FOLDER / "parts.smtp").read_text())[stripped[1:]] for part in _whole(inner)]


@cache
def _sections(text: str) -> dict[str, list[str]]:
    pieces = re.split(r"(?m)^=== (\S+)\n", text)
    return {name: body.splitlines() for name, body in zip(pieces[1::2], pieces[2::2], strict=True)}


@cache
def cases() -> tuple[Case, ...]:
    """Every case, by category."""
    found = []
    for path in sorted(FOLDER.glob("*.faults")):
        sections = _sections(path.read_text(encoding="utf-8"))
        found += [case_of(name, path.stem, "\n".join(lines)) for name, lines in sections.items()]
    names = [case.name for case in found]
    assert len(names) == len(set(names)), "a case's name is its own"
    return tuple(found)
