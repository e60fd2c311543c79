"""A mailbox over IMAP with TLS from the first octet (RFC 3501, RFC 8314), read with the standard library's client.

That client believes whatever the server says of sizes; here every answer and a whole look are bounded in octets and
time (B5). The address that was checked is the one that is dialed (E1, E2). Blocking: for a thread.
"""

import imaplib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Any

from postroom.net.resolve import canonical_host
from postroom.policy.egress import may_dial
from postroom.smtp.redaction import Redaction
from postroom.smtp.text import printable

from .tls import verifying_context

# No RFC figures: a bounce says all that counts in its first part; a look ends before the next one is due.
MESSAGE_BYTES = 1024 * 1024
LOOK_BYTES = 256 * 1024 * 1024
COMMAND_S = 30.0
LOOK_S = 300.0
_SAID_CHARACTERS = 300


class Step(StrEnum):
    """Where a look at a mailbox failed."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    CERTIFICATE = "certificate"
    SIGN_IN = "sign-in"
    FOLDER = "folder"
    READ = "read"


class MailboxFault(Exception):
    """A mailbox could not be read. `said` is the server's or the system's own words, bounded, without the password."""

    def __init__(self, step: Step, said: str) -> None:
        super().__init__(f"{step}: {said}")
        self.step, self.said = step, said


class Mailbox:
    """A folder that is selected. Every method raises MailboxFault."""

    def __init__(self, client: "_Client") -> None:
        self._client = client

    def unseen(self, most: int) -> list[str]:
        """The unique ids of messages that nobody has seen, oldest first."""
        found = self._uid("SEARCH", "UNSEEN")
        ids = b" ".join(part for part in found if isinstance(part, bytes)).split()
        return [uid.decode("ascii") for uid in ids if uid.isdigit()][:most]

    def message(self, uid: str) -> bytes:
        """The first `MESSAGE_BYTES` of a message; reading it does not mark it seen."""
        found = self._uid("FETCH", uid, f"(BODY.PEEK[]<0.{MESSAGE_BYTES}>)")
        return next((part[1] for part in found if isinstance(part, tuple) and len(part) > 1), b"")

    def mark_seen(self, uid: str) -> None:
        self._uid("STORE", uid, "+FLAGS.SILENT", "(\\Seen)")

    def move(self, uid: str, folder: str) -> None:
        """Into another folder (RFC 6851), as a copy and a deletion where the server knows no MOVE."""
        if "MOVE" in self._client.capabilities:
            self._uid("MOVE", uid, _quoted(folder))
            return
        self._uid("COPY", uid, _quoted(folder))
        self._uid("STORE", uid, "+FLAGS.SILENT", "(\\Seen \\Deleted)")

    def _uid(self, *words: str) -> list[Any]:
        with _faults(Step.READ, self._client.redaction):
            kind, found = self._client.uid(*words)
            if kind != "OK":
                raise imaplib.IMAP4.error(_said(found))
            return list(found)


@contextmanager
def opened_mailbox(
    host: str, port: int, username: str, password: str, folder: str, allowed: Callable[[str], bool] = may_dial
) -> Iterator[Mailbox]:
    """The folder, signed in to and selected; the session ends with the block. Raises MailboxFault."""
    redaction = Redaction(username, password)
    client = _connected(host, port, allowed, redaction)
    try:
        with _faults(Step.SIGN_IN, redaction):
            _sign_in(client, username, password)
        with _faults(Step.FOLDER, redaction):
            kind, found = client.select(_quoted(folder))
            if kind != "OK":
                raise imaplib.IMAP4.error(_said(found))
        yield Mailbox(client)
    finally:
        with suppress(imaplib.IMAP4.error, OSError):
            client.logout()
        client.give_up()


class _Client(imaplib.IMAP4):
    """The standard library's client over a socket that was dialed here, with bounds."""

    def __init__(self, host: str, port: int, addresses: list[str], redaction: Redaction) -> None:
        self._addresses, self.redaction = addresses, redaction
        self._left, self._ends = LOOK_BYTES, time.monotonic() + LOOK_S
        self._watchdog: threading.Timer | None = None
        try:
            super().__init__(host, port, timeout=COMMAND_S)
        except BaseException:
            self.give_up()
            raise

    def _create_socket(self, timeout: float | None) -> socket.socket:
        plain = _dialed(self._addresses, self.port, timeout or COMMAND_S)
        sock = verifying_context().wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        self._watchdog = threading.Timer(max(0.0, self._ends - time.monotonic()), _cut, (sock,))
        self._watchdog.daemon = True
        self._watchdog.start()
        try:
            sock.do_handshake()
        except BaseException:
            self.give_up()
            sock.close()
            raise
        return sock

    def give_up(self) -> None:
        """The look is over; nobody needs to watch it any more."""
        if self._watchdog is not None:
            self._watchdog.cancel()

    def read(self, size: int) -> bytes:
        if size > MESSAGE_BYTES:
            raise self.abort(f"the server announced {size} octets")
        self._spend(size)
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._spend(len(line))
        return line

    def _spend(self, octets: int) -> None:
        self._left -= octets
        if self._left < 0 or time.monotonic() > self._ends:
            raise self.abort("the server said more than a look at a mailbox takes")


def _connected(host: str, port: int, allowed: Callable[[str], bool], redaction: Redaction) -> _Client:
    with _faults(Step.RESOLVE, redaction):
        name = canonical_host(host)
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    reached = [address for address in addresses if may_dial(address) and allowed(address)]
    if not reached:
        raise MailboxFault(Step.CONNECT, "mail may not go to this address")
    with _faults(Step.CONNECT, redaction):
        return _Client(name, port, reached, redaction)


def _dialed(addresses: list[str], port: int, timeout_s: float) -> socket.socket:
    """A connection to the first address that takes one."""
    last: OSError = OSError("no address")
    for address in addresses[:4]:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        sock.settimeout(timeout_s)
        try:
            sock.connect((address, port))
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    raise last


def _cut(sock: socket.socket) -> None:
    """End a connection on which a server drips: each of its octets comes in time, and all of them never do."""
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _sign_in(client: _Client, username: str, password: str) -> None:
    """PLAIN takes any password (RFC 4616); LOGIN is for servers without it, and for US-ASCII."""
    if "AUTH=PLAIN" in client.capabilities:
        client.authenticate("PLAIN", lambda _: b"\0" + username.encode() + b"\0" + password.encode())
    else:
        client.login(username, password)


def _quoted(folder: str) -> str:
    return f'"{folder}"' if not re.fullmatch(r"[A-Za-z0-9._/-]+", folder) else folder


def _said(found: Any) -> str:
    parts = [part for part in found or [] if isinstance(part, bytes)]
    return b" ".join(parts).decode("utf-8", "replace")


@contextmanager
def _faults(step: Step, redaction: Redaction) -> Iterator[None]:
    """What goes wrong within, as a MailboxFault of that step."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise MailboxFault(Step.CERTIFICATE, _shown(error.verify_message, redaction)) from error
    except ssl.SSLError as error:
        raise MailboxFault(step, _shown(error.reason or str(error), redaction)) from error
    except socket.gaierror as error:
        raise MailboxFault(Step.RESOLVE, _shown(error.strerror or str(error), redaction)) from error
    except TimeoutError as error:
        raise MailboxFault(step, f"no answer within {COMMAND_S:g} s") from error
    except (imaplib.IMAP4.error, OSError, ValueError) as error:
        raise MailboxFault(step, _shown(str(error), redaction)) from error


def _shown(text: str, redaction: Redaction) -> str:
    return printable(redaction.text(text.removeprefix("b'").removesuffix("'")), _SAID_CHARACTERS)
