"""Which server a message is accepted for: the one its client names, else that of the route."""

from collections.abc import Sequence
from dataclasses import replace

from postroom.policy.route import route
from postroom.terms.problem import FieldError, Problem
from postroom.terms.wording import worded

from .current import Current, Sender


class ServerRefused(Exception):
    """The server that the client names can't be had; `error` says so."""

    def __init__(self, error: FieldError) -> None:
        super().__init__(error.text)
        self.error = error


def sending_server(wanted: str | None, current: Current) -> Sender:
    """The server; mail waits where none takes deliveries just now. Raises ServerRefused, and Problem without any."""
    if wanted is None:
        return _routed(current.senders)
    found = next((sender for sender in current.senders if wanted in (sender.id, sender.name)), None)
    if found is None or not found.may_be_named:
        text = worded("No enabled and verified SMTP server has this name or id. Leave it out to use the default one.")
        raise ServerRefused(FieldError("server", "not-found", text))
    return found


def _routed(senders: Sequence[Sender]) -> Sender:
    candidate = route(s.candidate for s in senders) or route(
        replace(s.candidate, takes_deliveries=s.enabled) for s in senders
    )
    if candidate is None:
        detail = "No SMTP server is switched on. Add one or switch one on in SMTP configuration, then send again."
        raise Problem(503, "no-smtp-server", "There is no SMTP server to send through", detail, retry_after_s=60)
    return next(s for s in senders if s.id == candidate.id)
