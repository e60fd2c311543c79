"""What a session did that works and is still unwise, told from the facts of a test, in the reader's language."""

from collections.abc import Mapping
from typing import Any

from postroom.smtp.sasl import PLAIN_TEXT
from postroom.smtp.text import printable

from .catalogue import catalogue

_MECHANISM_CHARACTERS = 40


def warnings_in(facts: Mapping[str, Any], language: str) -> list[dict[str, str]]:
    """Each with the `field` that would end it, a `code`, and its `text`; `facts` are those of a test (flow/probes).

    CRAM-MD5 and SCRAM may run without TLS, since neither sends the password. What else travels can be read and changed,
    and a recorded CRAM-MD5 exchange can be tried offline at one HMAC a guess (RFC 2195 section 5; RFC 5802 section 9).
    """
    mechanism = str(facts.get("mechanism") or "")
    if not mechanism or mechanism in PLAIN_TEXT or (facts.get("tls") or {}).get("version"):
        return []
    code = "cram-md5-without-tls" if mechanism == "CRAM-MD5" else "scram-without-tls"
    text = catalogue().warnings[code][language]
    shown = printable(mechanism, _MECHANISM_CHARACTERS)
    return [{"field": "security", "code": code, "text": text.format(mechanism=shown)}]
