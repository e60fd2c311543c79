"""The rig: a real mail server of its own, as tests see it: Postfix with Dovecot SASL, Exim or OpenSMTPD."""

import contextlib
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .certificates import Certificates, certificates_for
from .dovecot import running_dovecot
from .exim import running_exim
from .listeners import Listeners
from .opensmtpd import running_opensmtpd
from .postfix import running_postfix

HOST = "localhost"
_TRACE_FIELD = re.compile(
    rb"\A(Return-Path|X-Original-To|Delivered-To|Envelope-To|Received):[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class MailRig:
    """Where real mail servers listen on this machine, and what arrived there.

    `plain_port` takes mail without TLS or AUTH; `starttls_port` and `tls_port` take it only after AUTH as `username`
    with `password`. `ports` has every combination as (security, needs AUTH). `ca_file` is the authority to trust.
    """

    host: str
    listeners: Listeners
    ca_file: Path
    username: str
    password: str

    @property
    def ports(self) -> dict[tuple[str, bool], int]:
        return self.listeners.ports

    @property
    def strictest(self) -> tuple[str, bool]:
        """The safest way (security, with AUTH) in which this server takes mail."""
        return ("starttls", True) if ("starttls", True) in self.ports else ("none", False)

    @property
    def plain_port(self) -> int:
        return self.ports["none", False]

    @property
    def starttls_port(self) -> int:
        return self.ports["starttls", True]

    @property
    def tls_port(self) -> int:
        return self.ports["tls", True]

    def messages(self) -> list[bytes]:
        """What arrived, oldest first, with the server's trace fields, lines ending in LF as servers store them."""
        files = sorted(self.listeners.mail.glob("*"), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_bytes() for path in files]

    def arrived(self, wanted: bytes, *, count: int = 1, within_s: float = 20.0) -> list[bytes]:
        """The messages that contain `wanted`, once there are `count` of them; fails after `within_s` seconds."""
        deadline = time.monotonic() + within_s
        while True:
            found = [message for message in self.messages() if wanted in message]
            if len(found) >= count:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(found)} of {count} messages with {wanted!r} arrived; {self.log_tail()}")
            time.sleep(0.05)

    def log_tail(self) -> str:
        """The end of the server's log."""
        return self.listeners.log.read_text(errors="replace")[-3000:]


def without_trace_fields(message: bytes) -> bytes:
    """The message as it was handed over: without the fields that servers put before it (RFC 5321 section 4.4)."""
    while match := _TRACE_FIELD.match(message):
        message = message[match.end():]
    return message


@contextlib.contextmanager
def running_mail_rig(server: str = "postfix") -> Iterator[MailRig]:
    """A rig of `SERVERS` while the block runs, in a temporary folder that the server's own users can enter."""
    folder = Path(tempfile.mkdtemp(prefix="postroom-rig-"))
    folder.chmod(0o755)
    username, password = "reports@rig.example", f"rig {secrets.token_urlsafe(12)} é"
    try:
        certificates = certificates_for(folder, HOST, "127.0.0.1", "mail.rig.example")
        with SERVERS[server](folder, certificates, username, password) as listeners:
            yield MailRig(HOST, listeners, certificates.ca_file, username, password)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _postfix(folder: Path, certificates: Certificates, username: str, password: str) -> Iterator[Listeners]:
    for name in ("dovecot", "postfix"):
        (folder / name).mkdir(mode=0o755)
    with (
        running_dovecot(folder / "dovecot", username=username, password=password) as auth,
        running_postfix(folder / "postfix", certificates, auth) as listeners,
    ):
        yield listeners


@contextlib.contextmanager
def _exim(folder: Path, certificates: Certificates, username: str, password: str) -> Iterator[Listeners]:
    with running_exim(folder / "exim", certificates, username, password) as listeners:
        yield listeners


@contextlib.contextmanager
def _opensmtpd(folder: Path, certificates: Certificates, username: str, password: str) -> Iterator[Listeners]:
    del username, password  # it takes credentials over TLS alone
    with running_opensmtpd(folder / "opensmtpd", certificates) as listeners:
        yield listeners


SERVERS = {"postfix": _postfix, "exim": _exim, "opensmtpd": _opensmtpd}
_ALL = tuple((security, with_auth) for security in ("none", "starttls", "tls") for with_auth in (False, True))
# (server, security, with AUTH), each a way in which mail is taken.
WAYS = [("postfix", *way) for way in _ALL] + [("exim", *way) for way in _ALL] + [("opensmtpd", "none", False)]
