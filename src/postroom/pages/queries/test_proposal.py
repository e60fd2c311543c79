"""What the page of a failed test offers: the proposed change, another sign-in, and a mail with the steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _

from postroom.pages.forms.smtp_server import LABELS, setting_words
from postroom.store.models import ServerTest
from postroom.terms.outcome import TestStatus
from postroom.terms.server import Auth, ServerSettings

# Mail programs cut longer links.
MAIL_CHARACTERS = 1_800


@dataclass(frozen=True, slots=True)
class Proposal:
    """`changes` are (label, old, new). `needs` names the fields that have to be entered for it ("username",
    "password"); `moves` tells that a stored password stays behind."""

    changes: Sequence[tuple[str, str, str]]
    consequence: str
    needs: Sequence[str]
    moves: bool


def proposed_settings(test: ServerTest) -> ServerSettings | None:
    """The tested settings with the proposed change, None where nothing of this form is proposed."""
    proposal = (test.finding or {}).get("proposal") or {}
    present = test.typed_settings.as_json()
    if not proposal or not all(name in present and name in LABELS for name in proposal):
        return None
    try:
        return ServerSettings.from_json({**present, **proposal})
    except (TypeError, ValueError):
        return None


def proposal_of(test: ServerTest, finding: Mapping[str, Any]) -> Proposal | None:
    """The proposal as the page shows it; `finding` is told in the reader's language."""
    meant = proposed_settings(test)
    if meant is None:
        return None
    present = test.typed_settings.as_json()
    changes = [
        (str(LABELS[name]), setting_words(name, present[name]), setting_words(name, value))
        for name, value in finding["proposal"].items()
    ]
    moves = bool(test.sealed_password) and meant.destination != test.typed_settings.destination
    return Proposal(changes, str(finding.get("consequence") or ""), _needs(test, meant), moves)


def _needs(test: ServerTest, meant: ServerSettings) -> list[str]:
    if meant.auth is not Auth.PASSWORD:
        return []
    kept = test.sealed_password and meant.destination == test.typed_settings.destination
    return [*(() if meant.username else ("username",)), *(() if kept else ("password",))]


def asks_for_sign_in(test: ServerTest) -> bool:
    """Whether another user name or password is what the failure calls for, or the stored one is gone."""
    if test.status != TestStatus.FAILED or test.typed_settings.auth is not Auth.PASSWORD:
        return False
    return (test.finding or {}).get("field") in ("username", "password") or not test.sealed_password


def colleague_link(test: ServerTest, finding: Mapping[str, Any]) -> str:
    """A mailto: link with what happened and the steps, for whoever can do them. No secret is in a finding."""
    settings = test.typed_settings
    subject = _("SMTP server %(name)s: %(title)s") % {"name": settings.name, "title": finding.get("title", "")}
    steps = [f"{number}. {step}" for number, step in enumerate(finding.get("fix", ()), start=1)]
    body = "\n".join([
        _("Postroom tested %(host)s, port %(port)s.") % {"host": settings.host, "port": settings.port},
        str(finding.get("explanation", "")), "",
        *(f"> {line}" for line in finding.get("evidence", ())[:4]), "",
        _("What to do:"), *steps,
    ])
    return f"mailto:?subject={quote(subject[:200])}&body={quote(body[:MAIL_CHARACTERS])}"
