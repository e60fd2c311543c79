"""Sessions of tests: settings, content and deadlines that suit loopback."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from postroom.net.session import Deadlines, Recorder, Session, open_session
from postroom.terms.envelope import Envelope
from postroom.terms.server import Auth, Security, ServerSettings

USERNAME, PASSWORD = "user", "hunter2-hunter2"
# Every form of the password that a dialog lets a hostile server say.
SECRET_FORMS = (PASSWORD, "aHVudGVyMi1odW50ZXIy", "68756e746572322d68756e74657232", "AHVzZXIA", "dXNlcjpodW50")


@dataclass(frozen=True)
class Text:
    """Content of a given size, or given octets."""

    octets: bytes = b"Subject: test\r\n\r\n.hello\r\n"
    times: int = 1

    @property
    def size_bytes(self) -> int:
        return len(self.octets) * self.times

    def chunks(self) -> Iterator[bytes]:
        for _ in range(self.times):
            yield self.octets


def deadlines(timeout_s: float = 10.0) -> Deadlines:
    return Deadlines(
        connect_s=timeout_s, greeting_s=timeout_s, command_s=timeout_s, data_s=timeout_s, block_s=timeout_s,
        final_dot_s=timeout_s, tls_s=timeout_s, total_s=30.0,
    )


def envelope(recipients: int = 1, size_bytes: int = 0, **needs: bool) -> Envelope:
    paths = tuple(f"r{i + 1}@example.com" for i in range(recipients))
    return Envelope("a@sender.example", paths, size_bytes or Text().size_bytes, **needs)


async def opened(port: int, recorder: Recorder, timeout_s: float = 10.0, **values: Any) -> Session:
    """A session with 127.0.0.1 in clear; `values` are settings."""
    usual = {"host": "127.0.0.1", "port": port, "username": USERNAME, "security": Security.NONE}
    settings = ServerSettings(**usual | values)
    password = PASSWORD if settings.auth is Auth.PASSWORD else None
    return await open_session(
        settings, password, recorder, deadlines(timeout_s), default_ehlo_name="client.example", allowed=lambda _: True
    )
