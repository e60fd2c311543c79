"""Evidence and finding of a text: what a client program printed, a bounce, a line of a log."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from postroom.smtp.redaction import HIDDEN, Redaction
from postroom.terms.finding import Finding
from postroom.terms.host_name import host_reading
from postroom.terms.outcome import Stage

from .catalogue import catalogue
from .catalogue.provider import provider_of
from .evidence import TEXT_CHARACTERS, Evidence, Known
from .explain import finding_of
from .relevance import enhanced_codes, is_about_mail, is_failure, reply_codes
from .unwrapping import unwrapped

_LISTED_AT = re.compile(r"(?:blocked using|listed (?:on|in|at|by)) ([a-z0-9.-]{4,80})")
_LOCAL = ("localhost", "127.0.0.1", "::1", "")
_QUOTED_NAMES = re.compile(r"(?:dns:|valid for )([a-z0-9*.-]{3,120})")
# Local parts that only senders have.
_SENDERS_NAME = re.compile(r"\b(no-?reply|do-?not-?reply|sender|notifications?|mailer|alerts?)@")
_NOT_OWNED = re.compile(
    r"([^<>\s@]{1,64})@([^<>\s]{1,255})>?: sender address rejected: not owned by user ([^\s@]{1,64})@([^\s;]{1,255})"
)
# A From header stands among the refused identities with its display name, a recipient as its bare address.
_NAMED_SENDER = re.compile(r"failed the check in region [\w-]{1,40}: [^,<>]{1,80}<[^<>]{1,320}>")
_PORT = re.compile(r"(?:port[:= ]{1,3}\"?|(?<=\.)\d{1,3}:|[a-z)\]]:)(25|465|587|2525)\b(?![.:]\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-f]{1,4}:[0-9a-f:]{6,45}(?![\w.])")
_IPV4_WORKED = re.compile(r"connected to (?:\d{1,3}\.){3}\d{1,3}")
# Domains that cannot have vanished: who does not find them cannot look up names.
_KNOWN_DOMAIN_LOST = re.compile(
    r"@(?:gmail|googlemail|outlook|hotmail|live|yahoo|icloud|gmx|web|aol|msn)\.[a-z.]{2,6}>?: "
    r"(?:sender|recipient) address rejected: domain not found"
)

# What people paste of their own credentials: in a URL, after AUTH, in a setting.
_CREDENTIALS = re.compile(
    r"(?i)(://[^\s/@:]{1,200}:)[^\s/]{1,200}(?=@)|(\bauth (?:plain|login|xoauth2) )[a-z0-9+/=]{12,2000}|"
    r"(\bpass(?:word|wd)?[\"\']{0,2}\s?[:=]\s?[\"\']?)[^\s\"\',;]{4,400}"
)

# Where a text says itself at which command the reply came.
_STAGES = tuple(
    (stage, re.compile(pattern))
    for stage, pattern in (
        (
            Stage.MESSAGE,
            r"end of data|after (the )?message|smtpdataerror|data command|smtpsendfailed|message failed",
        ),
        (
            Stage.RECIPIENT,
            r"rcpt|recipient address rejected|smtprecipientsrefused|recipientsrefused|recipient rejected",
        ),
        (Stage.SENDER, r"mail from|smtpsenderrefused|sender address rejected|mail command"),
        (
            Stage.AUTHENTICATE,
            r"invalid login|smtpauthenticationerror|authenticationfailed|authenticator|auth (login|plain|command)|"
            r"password command failed|\bauth\b|failed to login|5\.7\.8|5\.7\.139|sasl authentication|"
            r"failed to authenticate",
        ),
        (Stage.GREETING, r"invalid greeting|greeting never|in greeting|initial response"),
    )
)



def finding_of_text(
    text: str, config: Mapping[str, Any] | None = None, client: str | None = None, language: str = "en"
) -> Finding:
    """The finding of any text; `unknown` when it says too little. Never raises on any text.

    `config` may have host, port, security and username_given; values of other types count as not known. With username
    and password, which may stand in the text in any encoding, the finding does not repeat them.
    """
    return finding_of(_without_secrets(evidence_of_text(text, config or {}, client or ""), config or {}), language)


def _without_secrets(evidence: Evidence, config: Mapping[str, Any]) -> Evidence:
    username, password = config.get("username"), config.get("password")
    redaction = Redaction(username if isinstance(username, str) else "", password if isinstance(password, str) else "")

    def hidden(text: str) -> str:
        return _CREDENTIALS.sub(rf"\g<1>\g<2>\g<3>{HIDDEN}", redaction.text(text))

    values = {name: hidden(value) for name, value in evidence.values.items()}
    return replace(evidence, values=values, quotes=tuple(map(hidden, evidence.quotes)))


def evidence_of_text(text: str, config: Mapping[str, Any], client: str) -> Evidence:
    """The evidence in a text, of which the first characters count (`TEXT_CHARACTERS`).

    A text that does not speak of a failure, or not of mail, is only quoted. With a configuration or a client it is
    taken for mail.
    """
    said, lower = " ".join(text[:TEXT_CHARACTERS].split()), unwrapped(text).lower()
    known = _known(config, lower)
    evidence = Evidence(client=client.lower()[:200], known=known, values=_values(lower, known), quotes=(said,))
    of_mail = bool(known.host or known.port or client) or is_about_mail(lower)
    if not (of_mail and is_failure(lower)):
        return evidence.with_facts("from-text")
    evidence = replace(evidence, symptoms=frozenset({"from-text", *_symptoms(lower)}))
    return _with_replies(evidence, lower, said.lower())


def _with_replies(evidence: Evidence, lower: str, whole: str) -> Evidence:
    """The evidence with what a mail server said, and who it is."""
    codes, enhanced = reply_codes(lower), enhanced_codes(lower)
    provider = provider_of(catalogue().providers, host=evidence.known.host, greeting="", text=lower)
    return replace(
        evidence,
        stage=_stage(lower) or _stage(whole),
        codes=codes or frozenset(int(f"{e[0]}50") for e in enhanced if e[0] in "45"),
        enhanced=enhanced,
        text=lower,
        symptoms=evidence.symptoms | _host_symptoms(evidence.known, lower) | _address_symptoms(lower),
        provider=provider.slug if provider else None,
    )


def _known(config: Mapping[str, Any], lower: str) -> Known:
    """The settings; a text that names one port tells it where the configuration does not."""
    host, port = config.get("host"), config.get("port")
    security, username = config.get("security"), config.get("username_given")
    if not isinstance(port, int) or isinstance(port, bool):
        named = set(_PORT.findall(lower))
        port = int(named.pop()) if len(named) == 1 else None
    return Known(
        host=host if isinstance(host, str) else "",
        port=port,
        security=security if security in ("none", "starttls", "tls") else None,
        username_given=username if isinstance(username, bool) else None,
    )


def _stage(lower: str) -> Stage | None:
    return next((stage for stage, pattern in _STAGES if pattern.search(lower)), None)


def _symptoms(lower: str) -> set[str]:
    return {
        name
        for name, patterns, without in catalogue().symptoms
        if patterns.are_in(lower) and not without.are_in(lower)
    }


def _host_symptoms(known: Known, lower: str) -> set[str]:
    symptoms = set()
    host = known.host.strip().lower()
    if known.host:
        flaw = host_reading(known.host).flaw
        if flaw in ("space", "scheme", "path", "user", "invalid"):
            symptoms.add(f"host-{flaw}")
        if flaw == "port":
            symptoms.add("host-port" if "altnames" not in lower and "illegal" not in lower else "tls-unknown-name")
        if host not in _LOCAL:
            symptoms.add("other-host-configured")
    else:
        symptoms.add("no-host-configured")
    if host in _LOCAL[:3]:
        symptoms.add("loopback")
    if host_reading(known.host).host.replace(".", "").isdigit():
        symptoms.add("host-is-address")
    if _IPV6.search(lower) or "ipv6" in lower:
        symptoms |= {"ipv6-unreachable"} if "unreachable" in lower else set()
        symptoms |= {"ipv4-works"} if _IPV4_WORKED.search(lower) else set()
    return symptoms


def _address_symptoms(lower: str) -> set[str]:
    symptoms = set()
    if match := _NOT_OWNED.search(lower):
        same_name, same_base = match.group(1) == match.group(3), match.group(4).endswith("." + match.group(2))
        if same_name and same_base:
            symptoms.add("same-local-part")
    if _KNOWN_DOMAIN_LOST.search(lower):
        symptoms.add("known-domain-lost")
    if _SENDERS_NAME.search(lower) or _NAMED_SENDER.search(lower):
        symptoms.add("unverified-is-sender")
    return symptoms


def _values(lower: str, known: Known) -> dict[str, str]:
    values = {"host": known.host.strip()}
    if known.host and known.port:
        values["place"] = f"{known.host.strip()} port {known.port}"
    if known.port:
        values["port"] = str(known.port)
    if found := _LISTED_AT.search(lower):
        values["list"] = found.group(1).rstrip(".")
    if names := _QUOTED_NAMES.findall(lower):
        values["certificate_names"] = ", ".join(dict.fromkeys(names[:4]))
        values["certificate_name"] = names[0]
    return values
