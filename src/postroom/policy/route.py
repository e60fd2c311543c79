"""Which server takes a message."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server as far as routing goes; `takes_deliveries` as in `SmtpServer`."""

    id: str
    is_default: bool
    is_sandbox: bool
    position: int
    takes_deliveries: bool


def route(candidates: Iterable[Candidate], *, wanted: str | None = None) -> Candidate | None:
    """The server for a message: the one `wanted` by id, whatever its state, else the default, else by position.

    Without a wish only servers that take deliveries count, and the sandbox only while it is the default or alone: mail
    never ends there because another server is out of order. None when there is no such server: the message waits.
    """
    servers = list(candidates)
    if wanted is not None:
        return next((server for server in servers if server.id == wanted), None)
    others = any(not server.is_sandbox for server in servers)
    usable = [
        server for server in servers
        if server.takes_deliveries and (server.is_default or not server.is_sandbox or not others)
    ]
    usable.sort(key=lambda server: (not server.is_default, server.is_sandbox, server.position, server.id))
    return usable[0] if usable else None
