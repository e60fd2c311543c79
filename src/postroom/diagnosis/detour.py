"""Detours: other ways to send that a failure leaves open, what walking one showed, and whether the mail could go there.

A detour is walked by the session of real mail (net/detour), without any credential and without content: up to EHLO
after TLS, and where it has an envelope up to the reply to RCPT.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from postroom.smtp.sasl import chosen_mechanism
from postroom.smtp.trace import AddressTried, Event, ExtensionsSeen, NameResolved, OurRefusal, StageEnded, TlsEnded
from postroom.terms.outcome import Stage
from postroom.terms.reply import Reply
from postroom.terms.server import Auth, Security, ServerSettings

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Detour:
    """Another way: where, how encrypted, and what to change to go there.

    `change` maps API names of settings to values. `envelope` is (reverse-path, forward-path) where the way is one
    without sign-in. `consequence` names a text of the catalogue. `stays` tells that the host may only be another name
    of the address that was reached before.
    """

    host: str
    port: int
    security: Security
    change: Mapping[str, Any] = field(default_factory=dict)
    envelope: tuple[str, str] | None = None
    consequence: str = ""
    stays: bool = False

    @property
    def place(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def key(self) -> tuple[str, int, Security]:
        return (self.host, self.port, self.security)


@dataclass(frozen=True, slots=True)
class DetourSeen:
    """What walking showed: the session's events, and the reply that ended the envelope, None where none was said."""

    detour: Detour
    events: Sequence[Event] = ()
    answer: Reply | None = None

    @property
    def addresses(self) -> frozenset[str]:
        """The addresses that took a connection."""
        return frozenset(e.address for e in self._of(AddressTried) if not e.error)

    @property
    def is_open(self) -> bool:
        return bool(self.addresses)

    @property
    def was_dialed(self) -> bool:
        """False where an egress rule forbade it, or there was no address to dial."""
        return any(e.error != "not-allowed" for e in self._of(AddressTried))

    @property
    def error(self) -> str:
        """Why no connection came about: "no-name", "timeout", "refused", … ; "" when one did."""
        if self.is_open:
            return ""
        if any(e.error for e in self._of(NameResolved)):
            return "no-name"
        errors = [e.error for e in self._of(AddressTried)]
        return "timeout" if not errors or "timeout" in errors else errors[0]

    @property
    def failed_stage(self) -> Stage | None:
        return next((e.stage for e in self._of(StageEnded) if not e.passed), None)

    @property
    def is_walked(self) -> bool:
        """True when a session stood in the end: greeting, EHLO, and TLS with its certificate as the settings want."""
        return self.failed_stage is None and bool(list(self._of(ExtensionsSeen)))

    @property
    def greets(self) -> bool:
        """True when it greeted as an SMTP server does."""
        return any(e.stage is Stage.GREETING and e.passed for e in self._of(StageEnded))

    @property
    def lacks_starttls(self) -> bool:
        return any(e.reason == "starttls-not-offered" for e in self._of(OurRefusal))

    @property
    def starts_tls(self) -> bool:
        """True when a handshake came to its end, whatever became of the certificate."""
        return any(e.error in ("", "certificate") for e in self._of(TlsEnded))

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What AUTH offers on the session in the end."""
        seen = list(self._of(ExtensionsSeen))
        return tuple(m.upper() for m in seen[-1].mechanisms or seen[-1].extensions.get("AUTH", ())) if seen else ()

    def leads_there(self, settings: ServerSettings, reached: frozenset[str]) -> bool:
        """Whether the mail could go this way: with the sign-in that it would have, or accepted without one.

        `reached` are the addresses that the failed session had reached.
        """
        if not self.is_walked or (self.detour.stays and not self.addresses & reached):
            return False
        if Auth(self.detour.change.get("auth", settings.auth)) is Auth.PASSWORD:
            over_tls = self.detour.security is not Security.NONE
            plain = settings.allow_plain_auth
            return chosen_mechanism(self.mechanisms, over_tls=over_tls, plain_allowed=plain) is not None
        return self.answer is not None and self.answer.is_positive

    def _of(self, kind: type[E]) -> Iterator[E]:
        return (e for e in self.events if isinstance(e, kind))
