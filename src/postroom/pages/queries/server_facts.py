"""What a passed test learned about a server, worded for its page. Everything here was said by the remote side."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from postroom.pages import words

_STRONG = ("TLSv1.3", "TLS 1.3", "TLSv1.2", "TLS 1.2")


def encryption(facts: Mapping[str, Any]) -> dict[str, Any]:
    """{"rows": [(label, value, kind)], "strong": bool}; no rows where nothing was encrypted."""
    tls = facts.get("tls") or {}
    if not tls.get("version"):
        return {"rows": [], "strong": False}
    names = ", ".join(str(name) for name in (tls.get("names") or ())[:3])
    rows = [
        ("Version", str(tls["version"]).replace("TLSv", "TLS "), ""),
        ("Cipher", str(tls.get("cipher") or ""), "mono"),
        ("Certificate", names or str(tls.get("subject") or ""), ""),
        ("Issued by", str(tls.get("issuer") or ""), ""),
        ("Expires", _expiry(str(tls.get("not_after") or "")), ""),
    ]
    return {
        "rows": [row for row in rows if row[1]],
        "strong": str(tls["version"]) in _STRONG and tls.get("verified") is not False,
    }


def allowances(facts: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(label, value, keyword) of what the server offered after its last EHLO."""
    offered = facts.get("extensions")
    if not offered:
        return []
    extensions = {str(k).upper(): v for k, v in offered.items()} if isinstance(offered, Mapping) else {
        str(k).upper(): () for k in offered
    }
    limit = facts.get("size_limit")
    rows = [("Message size", words.size(int(limit)) if limit else "no limit stated", "SIZE")]
    for keyword, label in (
        ("PIPELINING", "Several at once"), ("SMTPUTF8", "Names in any script"), ("8BITMIME", "8-bit text"),
        ("DSN", "Delivery receipts"), ("CHUNKING", "Chunks"),
    ):
        rows.append((label, "Yes" if keyword in extensions else "No", keyword))
    mechanisms = " ".join(str(m) for m in extensions.get("AUTH") or ())
    if mechanisms:
        rows.append(("Sign-in methods", ", ".join(mechanisms.split()), ""))
    if facts.get("mechanism"):
        rows.append(("Used here", str(facts["mechanism"]), ""))
    return rows


def _expiry(text: str) -> str:
    at = parse_datetime(text) if text else None
    if at is None:
        return text
    days = (at - timezone.now()).days
    return f"{at.day} {at:%b %Y}, in {words.count(days, 'day', 'days')}"
