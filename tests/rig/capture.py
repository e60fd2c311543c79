"""An SMTP server on loopback that remembers every password and message it was given."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Debugging
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from .programs import free_port


@dataclass(slots=True)
class Capture:
    """Where it listens and what it saw. It accepts `password` alone."""

    port: int
    password: str = field(repr=False)
    connections: int = 0
    passwords: list[str] = field(default_factory=list, repr=False)
    messages: list[bytes] = field(default_factory=list)


class _Handler(Debugging):
    def __init__(self, capture: Capture) -> None:
        super().__init__()
        self._capture = capture

    async def handle_EHLO(  # noqa: N802 - aiosmtpd names its hooks after the commands
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self._capture.connections += 1
        session.host_name = hostname
        return responses

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        self._capture.messages.append(content if isinstance(content, bytes) else b"")
        return "250 2.0.0 OK"


@contextlib.contextmanager
def capturing(password: str) -> Iterator[Capture]:
    """A capture server that offers AUTH without TLS while the block runs."""
    capture = Capture(free_port(), password)

    def check(_server: SMTP, _session: Session, _envelope: Envelope, _: str, data: LoginPassword) -> AuthResult:
        capture.passwords.append(data.password.decode())
        if data.password.decode() == password:
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False, message="535 5.7.8 Error: authentication failed")

    controller = Controller(
        _Handler(capture), hostname="127.0.0.1", port=capture.port, authenticator=check, auth_require_tls=False,
    )
    controller.start()
    try:
        yield capture
    finally:
        controller.stop()
