"""After a failure: the looks that tell its causes apart and find a way that would work, taken without credentials.

Tests and deliveries find the cause of a failed session here, so that both name the same.
"""

import asyncio
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from postroom.diagnosis.evidence import Evidence
from postroom.diagnosis.explain import finding_of
from postroom.diagnosis.probe_plan import Look, LookKind, Seen, looks_after, looks_for, with_looks
from postroom.diagnosis.session_evidence import evidence_of
from postroom.net.detour import walked
from postroom.net.look import first_words, first_words_over_tls, mail_exchangers, oldest_tls, resolves, tls_hello
from postroom.policy.preset import presets
from postroom.smtp.trace import Event, NameResolved
from postroom.terms.envelope import RecipientResult
from postroom.terms.finding import Finding
from postroom.terms.host_name import host_reading
from postroom.terms.server import Security, ServerSettings

# What is kept of a test's time for the closer look.
LOOK_S = 5.0


@dataclass(slots=True)
class CloserLook:
    """Looks after one failed session. `ports` are those that may be dialed, `resolved` what its own look-up came to."""

    settings: ServerSettings
    ports: Container[int]
    default_ehlo_name: str
    resolved: NameResolved | None = None
    seen: list[Seen] = field(default_factory=list)

    async def finding(
        self,
        events: Sequence[Event],
        results: Sequence[RecipientResult] = (),
        *,
        secret_facts: tuple[str, ...],
        left_s: float = LOOK_S,
        language: str = "en",
    ) -> Finding:
        """The finding of a session that these events tell of, after looks of at most `left_s`.

        Looks that were taken before are not taken again.
        """
        evidence = evidence_of(events, self.settings, results, secret_facts=secret_facts)
        if self.seen:
            return finding_of(with_looks(evidence, self.settings, self.seen), language)
        self.resolved = next((e for e in events if isinstance(e, NameResolved)), None)
        return finding_of(await self.added_to(evidence, left_s), language)

    async def added_to(self, evidence: Evidence, left_s: float) -> Evidence:
        """The evidence with what the looks show within `left_s`; `seen` holds them."""
        ends_at = asyncio.get_running_loop().time() + min(LOOK_S, left_s)
        cause = finding_of(evidence).cause
        await self._look(looks_for(cause, evidence, self.settings, self.ports, _known_hosts()), ends_at)
        await self._look(looks_after(cause, self.settings, self.seen, self.ports), ends_at)
        return with_looks(evidence, self.settings, self.seen)

    async def _look(self, looks: Sequence[Look], ends_at: float) -> None:
        left_s = max(0.5, ends_at - asyncio.get_running_loop().time())
        self.seen += await asyncio.gather(*(self._seen(look, left_s) for look in looks))

    async def _seen(self, look: Look, timeout_s: float) -> Seen:
        name = host_reading(self.settings.host).host
        address = self.resolved.addresses[0] if self.resolved and self.resolved.addresses else ""
        match look.kind:
            case LookKind.TLS_HELLO:
                return Seen(look, tls=await tls_hello(address, look.port, name, timeout_s))
            case LookKind.OLDEST_TLS:
                starttls = self.settings.security is Security.STARTTLS
                own = self.settings.ehlo_name or self.default_ehlo_name
                seen = await oldest_tls(address, look.port, name, timeout_s, starttls=starttls, ehlo_name=own)
                return Seen(look, tls=seen)
            case LookKind.FIRST_WORDS:
                return Seen(look, words=await first_words(address, look.port, timeout_s, send=b"HELP\r\n\r\n"))
            case LookKind.FIRST_WORDS_OVER_TLS:
                words = await first_words_over_tls(address, look.port, name, timeout_s, send=b"HELP\r\n\r\n")
                return Seen(look, words=words)
            case LookKind.OTHER_NAME:
                return Seen(look, resolved=await resolves(look.name, timeout_s))
            case LookKind.MAIL_EXCHANGERS:
                return Seen(look, exchangers=await mail_exchangers(look.name))
            case LookKind.DETOUR:
                assert look.detour is not None
                return Seen(look, detour=await walked(look.detour, self.settings, timeout_s, self.default_ehlo_name))


def _known_hosts() -> frozenset[str]:
    """The hosts that the presets fill in."""
    return frozenset(host for each in presets().values() for host in each.hosts)
