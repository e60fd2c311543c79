"""Which server a message is accepted for: the one its client names, else that of a delivery rule, else the default."""

from collections.abc import Callable
from dataclasses import dataclass

from postroom.policy.rules import Rule, Traits, decided
from postroom.terms.problem import FieldError, Problem
from postroom.terms.wording import worded

from .current import Current, Sender


class ServerRefused(Exception):
    """The server that the client names can't be had; `error` says so."""

    def __init__(self, error: FieldError) -> None:
        super().__init__(error.text)
        self.error = error


@dataclass(frozen=True, slots=True)
class Choice:
    """`is_bound`: no other server may carry the message, whatever happens to this one. `rule` is the one that decided,
    None where none did."""

    sender: Sender
    is_bound: bool = False
    rule: Rule | None = None


def sending_server(wanted: str | None, current: Current, traits: Callable[[], Traits] = Traits) -> Choice:
    """The server; mail waits where none takes deliveries just now. `traits` is asked only where there are rules.

    Raises ServerRefused, and Problem without any server."""
    if wanted is None:
        return _ruled(current, traits()) if current.rules else Choice(_standard(current))
    found = next((sender for sender in current.senders if wanted in (sender.id, sender.name)), None)
    if found is None or not found.may_be_named:
        text = worded("No enabled and verified SMTP server has this name or id. Leave it out to use the default one.")
        raise ServerRefused(FieldError("server", "not-found", text))
    return Choice(found, is_bound=True)


def _ruled(current: Current, traits: Traits) -> Choice:
    usable = {sender.id for sender in current.senders if sender.candidate.takes_deliveries}
    rule = decided(current.rules, traits, usable)
    found = next((sender for sender in current.senders if rule is not None and sender.id == rule.server_id), None)
    return Choice(_standard(current)) if found is None or rule is None else Choice(found, rule.only, rule)


def _standard(current: Current) -> Sender:
    if current.standard is None:
        detail = worded(
            "No SMTP server is switched on. Add one or switch one on in SMTP configuration, then send again."
        )
        raise Problem(503, "no-smtp-server", "There is no SMTP server to send through", detail, retry_after_s=60)
    return current.standard
