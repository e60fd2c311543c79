"""Facts of a TLS handshake: what failed, and what the certificates show."""

import re
from collections.abc import Sequence
from datetime import datetime

from postroom.smtp.trace import CertificateSeen, Event, TlsEnded

from .evidence import Evidence
from .speaker import first_lines, speaker_of

# OpenSSL, x509_vfy.h: X509_V_ERR_….
_VERIFY_SYMPTOMS = {
    2: "cert-no-issuer",
    7: "cert-bad-signature",
    9: "cert-not-yet-valid",
    10: "cert-expired",
    18: "cert-self-signed",
    19: "cert-private-authority",
    20: "cert-no-issuer",
    21: "cert-no-issuer",
    23: "cert-revoked",
    26: "cert-wrong-purpose",
    28: "cert-rejected",
    62: "cert-other-name",
    64: "cert-other-name",
    66: "cert-weak",
    67: "cert-weak",
    68: "cert-weak",
}

# Names that anti-virus programs and filtering proxies put into the certificates they make up.
_INTERCEPTORS = re.compile(
    r"avast|\bavg\b|kaspersky|bitdefender|\beset\b|mcafee|norton|symantec endpoint|sophos|fortinet|fortigate|zscaler|"
    r"bluecoat|blue coat|palo alto|netskope|cisco umbrella|dr\.? ?web|g data|panda|trend micro|check point|barracuda|"
    r"watchguard|sonicwall|untangle|squid|mitmproxy|adguard|cloudflare gateway"
)

# Organisations behind the public roots that most mail servers' certificates lead to.
_PUBLIC_AUTHORITIES = re.compile(
    r"let'?s encrypt|internet security research group|isrg|digicert|sectigo|comodo|usertrust|globalsign|godaddy|"
    r"go daddy|starfield|entrust|geotrust|thawte|rapidssl|verisign|amazon|google trust|baltimore|quovadis|swisssign|"
    r"t-telesec|telekom security|d-trust|certum|actalis|buypass|zerossl|ssl\.com|identrust|dst root|gts "
)


def with_tls(evidence: Evidence, events: Sequence[Event]) -> Evidence:
    """Adds the symptoms of the last handshake that failed, and the certificate's facts as values."""
    handshakes = [e for e in events if isinstance(e, TlsEnded)]
    if not handshakes:
        return evidence
    last = handshakes[-1]
    if last.chain:
        evidence = evidence.with_facts(values=_certificate_values(last))
    if not last.error:
        return evidence.with_facts("over-tls")
    text = last.verify_text or last.error_text or last.error
    evidence = evidence.with_facts(f"tls-{last.error}", quotes=(text,))
    if last.error == "certificate":
        return evidence.with_facts(*_certificate_symptoms(last), quotes=_certificate_quotes(last))
    symptoms = list(alert_symptoms(last.error_text))
    quotes: tuple[str, ...] = ()
    if last.error == "not-tls" and last.first_bytes:
        symptoms.extend(speaker_of(last.first_bytes).symptoms)
        quotes = first_lines(last.first_bytes)
    return evidence.with_facts(*symptoms, quotes=quotes)


def _certificate_symptoms(handshake: TlsEnded) -> list[str]:
    symptoms = [_VERIFY_SYMPTOMS.get(handshake.verify_code, _symptom_of_text(handshake.verify_text.lower()))]
    chain = handshake.chain
    top = chain[-1] if chain else None
    issuers = " / ".join(c.issuer for c in chain).lower()
    if _INTERCEPTORS.search(issuers):
        symptoms.append("interceptor-named")
    if _PUBLIC_AUTHORITIES.search(issuers):
        symptoms.append("public-authority-named")
    if chain and "cert-expired" in symptoms and _ends_first(chain).position > 0:
        symptoms.append("authority-expired-first")
    if chain and len(chain) == 1 and not chain[0].self_signed:
        symptoms.append("leaf-alone")
    if top and len(chain) > 1 and (top.self_signed or top.is_ca):
        symptoms.append("authority-sent")
    return [s for s in symptoms if s]


def _ends_first(chain: Sequence[CertificateSeen]) -> CertificateSeen:
    """The one that has expired where any has; nobody here knows the time."""
    return min(chain, key=lambda certificate: certificate.not_after)


def _symptom_of_text(text: str) -> str:
    for words, symptom in (
        ("hostname mismatch", "cert-other-name"),
        ("ip address mismatch", "cert-other-name"),
        ("not valid for", "cert-other-name"),
        ("doesn't match", "cert-other-name"),
        ("expired", "cert-expired"),
        ("not yet valid", "cert-not-yet-valid"),
        ("self-signed certificate in certificate chain", "cert-private-authority"),
        ("self-signed", "cert-self-signed"),
        ("issuer", "cert-no-issuer"),
        ("first certificate", "cert-no-issuer"),
        ("key too small", "cert-weak"),
        ("too weak", "cert-weak"),
        ("revoked", "cert-revoked"),
    ):
        if words in text:
            return symptom
    return "cert-rejected"


def alert_symptoms(error_text: str) -> list[str]:
    """The symptoms in what OpenSSL says of a failed handshake or of an alert after it."""
    text, found = error_text.lower(), []
    for pattern, symptom in (
        (r"protocol.?version|unsupported.?protocol|no.?protocols|wrong.?ssl.?version", "tls-protocol-version"),
        (r"certificate.?required|bad.?certificate|handshake.?failure.{0,40}certificate", "tls-wants-certificate"),
        (r"unrecognized.?name", "tls-unknown-name"),
        (r"(dh|ee|ca).?key.?too.?small|md.?too.?weak", "tls-weak-key"),
        (r"after the server's hello", "tls-refused-late"),
        (r"no.?shared.?cipher|no.?ciphers|handshake.?failure(?! after the server's hello)", "tls-no-cipher"),
    ):
        if re.search(pattern, text):
            found.append(symptom)
    return found


def _certificate_values(handshake: TlsEnded) -> dict[str, str]:
    leaf = handshake.chain[0]
    names = [n for n in leaf.names if n] or [_common_name(leaf.subject)]
    plain = [n for n in names if not n.startswith("*")] or names
    first = _ends_first(handshake.chain)
    return {
        "authority_expired": _short_name(first.subject),
        "certificate_names": ", ".join(names[:6]),
        "certificate_name": plain[0],
        "issuer": _short_name(leaf.issuer),
        "authority": _short_name(handshake.chain[-1].issuer),
        "not_after": _day(first.not_after),
        "not_before": _day(leaf.not_before),
        "key": leaf.key,
    }


def _certificate_quotes(handshake: TlsEnded) -> tuple[str, ...]:
    return tuple(_line(c) for c in handshake.chain[:3])


def _line(certificate: CertificateSeen) -> str:
    names = f", names {', '.join(certificate.names[:6])}" if certificate.names else ""
    return (
        f"certificate {certificate.position}: {certificate.subject}, issued by {certificate.issuer}, valid "
        f"{_day(certificate.not_before)} to {_day(certificate.not_after)}{names}"
    )


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _common_name(name: str) -> str:
    found = re.search(r"(?:\A|[,/+ ])CN ?= ?([^,/+]{1,120})", name)
    return found.group(1).strip() if found else name


def _short_name(name: str) -> str:
    return _common_name(name) or name
