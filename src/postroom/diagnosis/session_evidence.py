"""Evidence of one session: its typed events, the settings it ran under and what became of the recipients."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from postroom.smtp.trace import (
    Event,
    ExtensionsSeen,
    OurRefusal,
    PeerFault,
    ReplyReceived,
    StageEnded,
    StageStarted,
)
from postroom.terms.envelope import RecipientResult
from postroom.terms.host_name import host_reading
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply
from postroom.terms.server import Auth, ServerSettings

from .catalogue import catalogue
from .catalogue.provider import provider_of
from .evidence import TEXT_CHARACTERS, Evidence, Known
from .network_evidence import with_network
from .speaker import first_lines, speaker_of
from .tls_evidence import alert_symptoms, with_tls

E = TypeVar("E")

# Providers whose every submission server names itself in its greeting.
_CERTAIN_GREETINGS = ("gmail", "microsoft365")
# What the server was to answer at a stage, in the words of RFC 5321.
_COMMANDS = {
    Stage.EHLO: "EHLO",
    Stage.STARTTLS: "STARTTLS",
    Stage.AUTHENTICATE: "AUTH",
    Stage.SENDER: "MAIL FROM",
    Stage.RECIPIENT: "RCPT TO",
    Stage.MESSAGE: "DATA",
}


def secret_facts(username: str, password: str | None) -> tuple[str, ...]:
    """Symptoms of pasted credentials, for whoever holds them; nothing else of a secret goes into evidence."""
    facts = []
    if password and password != password.strip():
        facts.append("password-has-outer-space")
    if username != username.strip():
        facts.append("username-has-outer-space")
    if username and not set(username) & {"@", "\\", "%"}:
        facts.append("username-lacks-domain")
    return tuple(facts)


def evidence_of(
    events: Sequence[Event],
    settings: ServerSettings,
    results: Iterable[RecipientResult] = (),
    *,
    secret_facts: tuple[str, ...] = (),
) -> Evidence:
    """Evidence of a failed session or of the first recipient that was not sent."""
    failed = next((r for r in results if r.outcome is not Outcome.SENT), None)
    stage = failed.stage if failed else failed_stage(events)
    reply = failed.reply if failed else _last_refusal(events, stage)
    evidence = Evidence(
        stage=stage,
        known=Known(settings.host, settings.port, str(settings.security), settings.auth is not Auth.NONE),
        values=_setting_values(settings, failed) | {"command": _COMMANDS.get(stage, "") if stage else ""},
        symptoms=frozenset(secret_facts),
    )
    evidence = _with_host(evidence, settings)
    evidence = with_network(evidence, events, settings)
    evidence = _with_greeting(evidence, events)
    evidence = with_tls(evidence, events)
    evidence = _with_extensions(evidence, events)
    evidence = _with_faults(evidence, events)
    if failed and failed.outcome is Outcome.UNCERTAIN:
        evidence = evidence.with_facts("after-final-dot")
    evidence = _with_reply(evidence, reply)
    if not evidence.quotes:
        evidence = evidence.with_facts(quotes=(failed.reason if failed else _last_detail(events),))
    return _with_provider(evidence)


def failed_stage(events: Sequence[Event]) -> Stage | None:
    """The stage that failed, else the last that began and did not end, None when nothing failed."""
    ended = [e for e in events if isinstance(e, StageEnded)]
    for event in reversed(ended):
        if not event.passed:
            return event.stage
    done = {e.stage for e in ended}
    open_stages = [e.stage for e in events if isinstance(e, StageStarted) and e.stage not in done]
    return open_stages[-1] if open_stages else None


def _last_detail(events: Sequence[Event]) -> str:
    return next((e.detail for e in reversed(events) if isinstance(e, StageEnded) and not e.passed), "")


def _of(events: Iterable[Event], kind: type[E]) -> list[E]:
    return [e for e in events if isinstance(e, kind)]


def _setting_values(settings: ServerSettings, failed: RecipientResult | None) -> dict[str, str]:
    return {
        "host": settings.host.strip(),
        "port": str(settings.port),
        "place": f"{settings.host.strip()} port {settings.port}",
        "username": settings.username.strip(),
        "sender": settings.from_address,
        "recipient": (failed.recipient if failed else "") or settings.test_recipient,
        "ehlo_name": settings.ehlo_name,
    }


def _with_host(evidence: Evidence, settings: ServerSettings) -> Evidence:
    """The host field's own fault matters when it kept the session from beginning."""
    if evidence.stage not in (None, Stage.RESOLVE):
        return evidence
    reading = host_reading(settings.host)
    if reading.flaw in ("", "brackets"):
        return evidence
    written = str(reading.port) if reading.port else ""
    return evidence.with_facts(
        f"host-{reading.flaw}",
        values={"proposed_host": reading.host, "proposed_port": written, "entered_host": settings.host},
        quotes=(f"Host Name: {settings.host!r}",),
    )


def _last_refusal(events: Sequence[Event], stage: Stage | None) -> Reply | None:
    """The reply that refused the stage, None where the connection outlived it and failed otherwise."""
    for event in reversed(events):
        if isinstance(event, PeerFault):
            return None
        if isinstance(event, ReplyReceived) and event.reply.code >= 400 and stage in (None, event.stage):
            return event.reply
    return None


def _with_greeting(evidence: Evidence, events: Sequence[Event]) -> Evidence:
    words: list[str] = []
    code = 220
    for event in _of(events, ReplyReceived):
        if event.stage is Stage.GREETING or (event.stage is Stage.EHLO and event.reply.is_positive):
            code = code if words else event.reply.code
            words.extend(event.reply.lines[:1])
    facts = []
    if any("****" in word for word in words[:1]):
        facts.append("banner-hidden")
    if evidence.stage in (Stage.GREETING, Stage.EHLO) and words:
        said = f"{code} {words[0]}"
        other = speaker_of(said.encode()).name
        if other in ("FTP", "LMTP", "NNTP"):
            evidence = evidence.with_facts(f"speaks-{other.lower()}", quotes=(said,))
    if any(e.passed and e.stage is Stage.AUTHENTICATE for e in _of(events, StageEnded)):
        facts.append("logged-in")
    return replace(evidence.with_facts(*facts), greeting=" ".join(words).lower()[:1_000])


def _with_extensions(evidence: Evidence, events: Sequence[Event]) -> Evidence:
    seen = _of(events, ExtensionsSeen)
    if not seen:
        return evidence
    last = seen[-1]
    facts = []
    if any("STARTTLS" in e.extensions for e in seen):
        facts.append("starttls-offered")
    if last.over_tls:
        facts.append("over-tls")
    if any(key.startswith("XXXX") for e in seen for key in e.extensions):
        facts.append("ehlo-hidden")
    mechanisms = tuple(m.upper() for m in last.mechanisms or last.extensions.get("AUTH", ()))
    if mechanisms and all(m.startswith(("XOAUTH", "OAUTHBEARER")) for m in mechanisms):
        facts.append("only-oauth")
    facts.append("auth-offered" if mechanisms else "auth-not-offered")
    values = {"mechanisms": ", ".join(mechanisms), "size_limit": "".join(last.extensions.get("SIZE", ()))}
    quotes = (f"AUTH {' '.join(mechanisms)}",) if "only-oauth" in facts else ()
    return evidence.with_facts(*facts, values={k: v for k, v in values.items() if v}, quotes=quotes)


def _with_faults(evidence: Evidence, events: Sequence[Event]) -> Evidence:
    for refusal in _of(events, OurRefusal):
        evidence = evidence.with_facts(refusal.reason, quotes=(refusal.text,) if refusal.text else ())
    for fault in _of(events, PeerFault):
        evidence = evidence.with_facts(fault.kind, quotes=(*first_lines(fault.octets), fault.text))
        if fault.octets and fault.kind == "timeout":
            evidence = evidence.with_facts("speaks-slowly")
        elif fault.octets and fault.stage is Stage.GREETING:
            evidence = evidence.with_facts(*speaker_of(fault.octets).symptoms)
        if fault.text.startswith("TLS:"):
            evidence = evidence.with_facts(*alert_symptoms(fault.text))
    return evidence


def _with_reply(evidence: Evidence, reply: Reply | None) -> Evidence:
    if reply is None:
        return evidence
    lines = tuple(f"{reply.code} {line}" for line in reply.lines)
    evidence = evidence.with_facts(
        "refused-by-reply", *_named_addresses(evidence, lines), values={"code": str(reply.code)}, quotes=lines[:10]
    )
    return replace(
        evidence,
        codes=frozenset({reply.code}),
        enhanced=frozenset({reply.enhanced} if reply.enhanced else ()),
        text=f"{reply.code} {' '.join(reply.lines)}".lower()[:TEXT_CHARACTERS],
    )


def _named_addresses(evidence: Evidence, lines: Iterable[str]) -> list[str]:
    """Whether a reply about verification names our recipient or our sender."""
    said = " ".join(lines).lower()
    if "verified" not in said:
        return []
    named = [name for name in ("recipient", "sender") if (v := evidence.values.get(name, "").lower()) and v in said]
    return [f"unverified-is-{name}" for name in named]


def _with_provider(evidence: Evidence) -> Evidence:
    """Names the provider; a greeting that a public one never gives tells that somebody else answers in its place.

    Many servers refuse a sign-in in the same words, so these name nobody where a greeting was heard.
    """
    says_who = not (evidence.stage is Stage.AUTHENTICATE and evidence.greeting)
    provider = provider_of(
        catalogue().providers,
        host=evidence.known.host,
        greeting=evidence.greeting,
        text=evidence.text if says_who else "",
    )
    if provider is None:
        return evidence
    evidence = replace(evidence, provider=provider.slug)
    is_certain = provider.slug in _CERTAIN_GREETINGS and provider.owns(evidence.known.host)
    if is_certain and evidence.greeting and not provider.greetings.are_in(evidence.greeting):
        evidence = evidence.with_facts("other-server-answers", quotes=(f"greeting: {evidence.greeting[:200]}",))
    return evidence
