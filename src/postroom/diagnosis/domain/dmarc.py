"""The DMARC policy that applies to a From domain (RFC 9989, which replaced RFC 7489)."""

from dataclasses import dataclass

from postroom.terms.limits import DMARC_WALK

from .answers import Inquiry
from .part import Part, Status
from .sender import Record
from .subject import Subject

PAGE = "https://www.rfc-editor.org/rfc/rfc9989"
_POLICIES = ("none", "quarantine", "reject")
_SPF_PASSES = ("spf-allows", "spf-allows-address", "spf-own-domain", "spf-allows-everyone")
_SPF_FAILS = (
    "spf-missing", "spf-misses-provider", "spf-foreign-domain", "spf-forbids-all", "spf-several", "spf-broken",
    "spf-own-return-path",
)
_DKIM_FAILS = ("dkim-missing", "dkim-none", "dkim-revoked", "dkim-foreign-domain")


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy for the From domain, found at `where`; `text` is its record. `policy` is "" for a broken record."""

    where: str
    text: str
    policy: str


def dmarc_part(subject: Subject, inquiry: Inquiry, spf: Part | None, dkim: Part | None) -> Part:
    """The statement about DMARC, in the light of what SPF and DKIM came to."""
    answers = {place: inquiry(f"_dmarc.{place}", "TXT") for place in _places(subject.domain)}
    for place, answer in answers.items():
        if not answer.is_known:
            return Part("dmarc-cannot-tell", Status.UNKNOWN, {**subject.values, "reason": answer.reason}, page=PAGE)
        texts = [text for text in answer.values if _is_dmarc(text)]
        if len(texts) > 1:
            values = {**subject.values, "where": place, "count": str(len(texts))}
            return Part("dmarc-several", Status.BAD, values, "\n".join(texts), page=PAGE)
        if texts and (place == subject.domain or _tags(texts[0]).get("psd") != "y"):
            return _with_policy(subject, _policy(subject, place, texts[0]), spf, dkim)
    if subject.owner is not None:
        return Part("dmarc-none-there", Status.OK, subject.values)
    add = (Record(f"_dmarc.{subject.domain}", "TXT", "v=DMARC1; p=none"),)
    return Part("dmarc-missing", Status.WARN, subject.values, add=add, page=PAGE)


def _places(domain: str) -> list[str]:
    """The domain and its parents down to two labels, the walk's middle left out in very long names."""
    labels = domain.split(".")
    parents = [".".join(labels[at:]) for at in range(1, max(len(labels) - 1, 1))]
    return list(dict.fromkeys([domain, *parents[-(DMARC_WALK - 1):]]))


def _is_dmarc(text: str) -> bool:
    first = text.split(";", 1)[0]
    return "".join(first.split()) == "v=DMARC1"


def _tags(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}


def _policy(subject: Subject, place: str, text: str) -> Policy:
    tags = _tags(text)
    asked = tags.get("p", "").lower()
    if place != subject.domain and tags.get("sp"):
        asked = tags["sp"].lower()
    if asked not in _POLICIES:
        # Section 4.7: without a valid p, a record that asks for reports counts as none.
        asked = "none" if tags.get("rua") else ""
    if asked != "none" and tags.get("t", "").lower() == "y":
        asked = {"reject": "quarantine", "quarantine": "none"}.get(asked, asked)
    return Policy(place, text, asked)


def _with_policy(subject: Subject, found: Policy, spf: Part | None, dkim: Part | None) -> Part:
    values = {**subject.values, "policy": found.policy, "where": found.where}
    if not found.policy:
        return Part("dmarc-broken", Status.WARN, values, found.text, page=PAGE)
    values["aligned"] = _aligned(subject, spf, dkim)
    if found.policy != "none" and values["aligned"] == "neither":
        return Part(f"dmarc-fails-{found.policy}", Status.BAD, values, found.text, page=PAGE)
    slug = "dmarc-set" if found.where == subject.domain else "dmarc-inherited"
    return Part(slug, Status.OK, values, found.text)


def _aligned(subject: Subject, spf: Part | None, dkim: Part | None) -> str:
    """What makes DMARC pass. Our reverse-path is in the From domain, so an SPF pass is aligned (section 4.4), unless
    the provider puts its own; "neither" only where the DNS shows that both fail.
    """
    kept = subject.sender is None or not subject.sender.own_return_path
    if kept and spf is not None and spf.slug in _SPF_PASSES:
        return "spf"
    if dkim is not None and dkim.slug in ("dkim-found", "dkim-own-domain"):
        return "dkim"
    fails = spf is not None and spf.slug in _SPF_FAILS and dkim is not None and dkim.slug in _DKIM_FAILS
    return "neither" if fails else ""
