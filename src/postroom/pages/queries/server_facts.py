"""What a passed test learned about a server, worded for its page. Everything here was said by the remote side."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from postroom.pages import words

_STRONG = ("TLSv1.3", "TLS 1.3", "TLSv1.2", "TLS 1.2")
_SMALL_KEY = re.compile(r"\ARSA (\d{1,5})\Z")
# NIST SP 800-57 part 1: shorter RSA keys are not for use after 2013.
RSA_BITS = 2_048
# "Expires" warns from this many days before.
WARNING_DAYS = 21
_EXTENSIONS = (
    ("PIPELINING", gettext_lazy("Several at once")), ("SMTPUTF8", gettext_lazy("Names in any script")),
    ("8BITMIME", gettext_lazy("8-bit text")), ("DSN", gettext_lazy("Delivery receipts")),
    ("CHUNKING", gettext_lazy("Chunks")),
)


@dataclass(frozen=True, slots=True)
class Encryption:
    """`rows` are (label, value, note, kind), none where nothing was encrypted. `weakness` says what makes it weak, ""
    where it is strong."""

    rows: Sequence[tuple[str, str, str, str]]
    weakness: str = ""


def encryption(facts: Mapping[str, Any], host: str) -> Encryption:
    """How the connection to `host` was encrypted."""
    tls = facts.get("tls") or {}
    if not tls.get("version"):
        return Encryption((), _("Nothing was encrypted."))
    names = [str(name) for name in (tls.get("names") or ())]
    ends = parse_datetime(str(tls.get("not_after") or ""))
    rows = [
        (_("Version"), str(tls["version"]).replace("TLSv", "TLS "), "", ""),
        (_("Cipher"), str(tls.get("cipher") or ""), "", "mono"),
        (_("Certificate"), names[0] if names else str(tls.get("subject") or ""), _matching(names, host), "two-lines"),
        (_("Issued by"), _common_name(str(tls.get("issuer") or "")), "", ""),
        (_("Key"), str(tls.get("key") or ""), "", ""),
        (_("Expires"), words.date_with_year(ends) if ends else "", _in_days(ends), _tone(ends)),
    ]
    return Encryption([row for row in rows if row[1]], _weakness(tls, ends))


def _weakness(tls: Mapping[str, Any], ends: datetime | None) -> str:
    small = _SMALL_KEY.match(str(tls.get("key") or ""))
    if tls.get("verified") is False:
        return _("The certificate is not checked: whoever sits on the path can read along.")
    if str(tls["version"]) not in _STRONG:
        return _("This version of TLS is outdated.")
    if small and int(small[1]) < RSA_BITS:
        return _("The key of the certificate is too short.")
    if ends is not None and ends <= timezone.now():
        return _("The certificate has ended since.")
    return ""


def _matching(names: Sequence[str], host: str) -> str:
    """Which name of the certificate is the server's, "" where none is (an own CA, no check)."""
    wanted = host.lower()
    for name in names:
        if name.lower() == wanted or (name.startswith("*.") and wanted.partition(".")[2] == name[2:].lower()):
            return _("name %(name)s matches") % {"name": name}
    return ""


def _common_name(issuer: str) -> str:
    found = re.search(r"(?:\A|,)CN=((?:[^,\\]|\\.)+)", issuer)
    return found[1] if found else issuer


def _in_days(ends: datetime | None) -> str:
    if ends is None:
        return ""
    days = (ends - timezone.now()).days
    if days < 0:
        return _("expired")
    return ngettext("in %(count)s day", "in %(count)s days", days) % {"count": words.number(days)}


def _tone(ends: datetime | None) -> str:
    return "warn" if ends is not None and (ends - timezone.now()).days < WARNING_DAYS else ""


def allowances(facts: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(label, value, keyword) of what the server offered after its last EHLO."""
    offered = facts.get("extensions")
    if not offered:
        return []
    extensions = {str(k).upper(): v for k, v in offered.items()} if isinstance(offered, Mapping) else {
        str(k).upper(): () for k in offered
    }
    limit = facts.get("size_limit")
    rows = [(_("Message size"), words.size(int(limit)) if limit else _("no limit stated"), "SIZE")]
    rows += [(str(label), _("Yes") if keyword in extensions else _("No"), keyword) for keyword, label in _EXTENSIONS]
    mechanisms = " ".join(str(m) for m in extensions.get("AUTH") or ())
    if mechanisms:
        rows.append((_("Sign-in methods"), ", ".join(mechanisms.split()), ""))
    if facts.get("mechanism"):
        rows.append((_("Used here"), str(facts["mechanism"]), ""))
    return rows
