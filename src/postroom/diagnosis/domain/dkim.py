"""Whether a DKIM key for the sending provider is published (RFC 6376).

The DNS shows keys only to who knows their selectors, and never whether mail is really signed: "missing" is said where
the provider signs with these selectors alone, or where nothing at all is below _domainkey.
"""

from .answers import Answer, Inquiry, Outcome
from .part import Part, Status
from .sender import Sender
from .subject import Subject

PAGE = "https://www.rfc-editor.org/rfc/rfc6376"


def published_keys(subject: Subject, inquiry: Inquiry) -> tuple[str, ...]:
    """The selectors of our own keys that are published as they should be."""
    return tuple(
        selector for selector, public_key in subject.own_keys.items()
        if _tag(_key_in(inquiry(f"{selector}._domainkey.{subject.domain}", "TXT")), "p") == public_key
    )


def dkim_part(subject: Subject, inquiry: Inquiry) -> Part | None:
    """The statement about DKIM; None when no server is known."""
    if own := published_keys(subject, inquiry):
        return Part("dkim-found", Status.OK, {**subject.values, "provider": "Postroom", "selector": ", ".join(own)})
    if not subject.host:
        return None
    if subject.owner is not None:
        return _on_owned_domain(subject)
    if subject.sender is None or not subject.sender.selectors:
        return _without_selector(subject, inquiry)
    return _at_selectors(subject, subject.sender, inquiry)


def _on_owned_domain(subject: Subject) -> Part:
    if subject.owner == subject.sender:
        return Part("dkim-own-domain", Status.OK, subject.values)
    return Part("dkim-foreign-domain", Status.BAD, subject.values)


def _at_selectors(subject: Subject, sender: Sender, inquiry: Inquiry) -> Part:
    answers = {each: inquiry(f"{each}._domainkey.{subject.domain}", "TXT") for each in sender.selectors}
    values = {**subject.values, "selectors": ", ".join(sender.selectors)}
    for selector, answer in answers.items():
        key = _key_in(answer)
        if key and _tag(key, "p"):
            return Part("dkim-found", Status.OK, {**values, "selector": selector}, key)
    page, add = sender.dkim_page or PAGE, sender.dkim_records(subject.domain)
    for selector, answer in answers.items():
        if key := _key_in(answer):
            return Part("dkim-revoked", Status.BAD, {**values, "selector": selector}, key, page=page)
    silent = next((answer for answer in answers.values() if not answer.is_known), None)
    if silent is not None:
        return Part("dkim-cannot-tell", Status.UNKNOWN, {**values, "reason": silent.reason}, page=page)
    for selector, answer in answers.items():
        if answer.alias:
            quoted = f"{selector}._domainkey.{subject.domain} CNAME {answer.alias}"
            return Part("dkim-alias-without-key", Status.WARN, {**values, "selector": selector}, quoted, page=page)
    if sender.only_selectors or _nothing_below(subject, inquiry):
        return Part("dkim-missing", Status.WARN, values, add=add, page=page)
    return Part("dkim-not-at-usual", Status.UNKNOWN, values, add=add, page=page)


def _without_selector(subject: Subject, inquiry: Inquiry) -> Part:
    page = subject.sender.dkim_page if subject.sender else ""
    if _nothing_below(subject, inquiry):
        return Part("dkim-none", Status.WARN, subject.values, page=page or PAGE)
    return Part("dkim-selector-unknown", Status.UNKNOWN, subject.values, page=page or PAGE)


def _nothing_below(subject: Subject, inquiry: Inquiry) -> bool:
    """Whether _domainkey does not exist: then no name below it does (RFC 8020)."""
    return inquiry(f"_domainkey.{subject.domain}", "TXT").outcome is Outcome.NO_NAME


def _key_in(answer: Answer) -> str:
    """The text that is a key: it has a p tag, and v=DKIM1 where it has v (section 3.6.1)."""
    for text in answer.values:
        if _tag(text, "p") is not None and (_tag(text, "v") or "DKIM1") == "DKIM1":
            return text
    return ""


def _tag(text: str, name: str) -> str | None:
    """A tag's value; None when the text has no such tag (section 3.2)."""
    for part in text.split(";"):
        key, equals, value = part.partition("=")
        if equals and key.strip() == name:
            return "".join(value.split())
    return None
