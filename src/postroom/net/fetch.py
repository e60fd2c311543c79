"""A report over HTTP(S): one GET, redirects followed by hand, bounded in octets and time (E1, E2, E3).

The address that was checked is the one that is dialed, for each redirect anew. A secret goes to the origin it was
entered for and nowhere else. A body that ends before its announced length, or whose length nobody announced, is half a
report and refused. Blocking: for a thread.
"""

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from postroom.smtp.redaction import Redaction
from postroom.smtp.text import printable, printable_octets
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import worded

from .lookup import addresses_within
from .resolve import canonical_host
from .tls import verifying_context

REDIRECTS = 5
ADDRESSES = 8
_READ_BYTES = 256 * 1024
_SAID_BYTES = 300
_MOVED = (301, 302, 303, 307, 308)
_DISPOSITION = re.compile(r"filename\*=UTF-8''([^;\s]+)|filename=\"([^\"]*)\"|filename=([^;\s]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to fetch, and how far to go for it. `secret` is a header field's name and value."""

    url: str
    header: Mapping[str, str]
    timeout_s: float
    most_bytes: int
    may_fetch: Callable[[str], bool]
    secret: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: `file_name` is what the server or the URL calls it, "" where neither does."""

    url: str
    media_type: str
    file_name: str


def fetch(wanted: Wanted, write: Callable[[bytes], None]) -> Fetched:
    """Write the octets of the answer. Raises SourceFault, and OSError of `write` (blocking)."""
    ends_s = time.monotonic() + wanted.timeout_s
    first = url = urlsplit(wanted.url)
    for _ in range(REDIRECTS + 1):
        secret = wanted.secret if _origin(url) == _origin(first) else None
        with _answer(url, wanted, secret, ends_s) as answer:
            if answer.status not in _MOVED:
                _take(answer, url, wanted, write)
                return Fetched(url.geturl(), _media_type(answer), _file_name(answer, url))
            url = _next(url, answer)
    raise SourceFault(SourceFaultKind.REFUSED, worded("The server redirects more than {most} times.", most=REDIRECTS))


def _next(url: SplitResult, answer: http.client.HTTPResponse) -> SplitResult:
    place = answer.getheader("Location") or ""
    target = urlsplit(urljoin(url.geturl(), place))
    if target.scheme not in ("http", "https") or not target.hostname:
        text = worded("The server redirects to what is no web address.")
        raise SourceFault(SourceFaultKind.REFUSED, text, printable(place, 200))
    if url.scheme == "https" and target.scheme == "http":
        text = worded("The server redirects from an encrypted to an unencrypted address.")
        raise SourceFault(SourceFaultKind.NOT_ALLOWED, text, printable(target.netloc, 200))
    return target


def _origin(url: SplitResult) -> tuple[str, str, int]:
    return url.scheme, (url.hostname or "").lower(), _port(url)


def _port(url: SplitResult) -> int:
    try:
        port = url.port
    except ValueError:
        text = worded("The address has no port that could be dialed.")
        raise SourceFault(SourceFaultKind.SETTINGS, text) from None
    return port or (443 if url.scheme == "https" else 80)


class _Deadline:
    """Cuts a connection at an instant: each octet of a server that drips comes in time, and all of them never do."""

    def __init__(self, sock: socket.socket, ends_s: float) -> None:
        self.is_over = False
        # A descriptor of its own: TLS takes the socket's away from it.
        self._sock = sock.dup()
        self._timer = threading.Timer(max(0.0, ends_s - time.monotonic()), self._cut)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()
        self._timer.join()  # from here on the descriptor may be another's
        self._sock.close()

    def _cut(self) -> None:
        self.is_over = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)


@contextmanager
def _answer(
    url: SplitResult, wanted: Wanted, secret: tuple[str, str] | None, ends_s: float
) -> Iterator[http.client.HTTPResponse]:
    """The answer to one GET; the connection ends with the block."""
    redaction = Redaction("", wanted.secret[1]) if wanted.secret else Redaction()
    sock = _dialed(url, wanted, ends_s)
    deadline = _Deadline(sock, ends_s)
    try:
        with _faults(deadline, wanted, redaction):
            if url.scheme == "https":
                sock = verifying_context().wrap_socket(
                    sock, server_hostname=canonical_host(url.hostname or ""), suppress_ragged_eofs=False
                )
            yield _asked(sock, url, wanted, secret)
            if deadline.is_over:  # what was cut may look as if it had come to its end
                raise _too_slow(wanted)
    finally:
        deadline.cancel()
        sock.close()


def _asked(
    sock: socket.socket, url: SplitResult, wanted: Wanted, secret: tuple[str, str] | None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(url.hostname or "", _port(url))
    connection.sock = sock
    connection.putrequest("GET", (url.path or "/") + (f"?{url.query}" if url.query else ""), skip_host=True,
                          skip_accept_encoding=True)
    usual = {"Host": url.netloc.rpartition("@")[2], "User-Agent": "Postroom", "Accept": "*/*",
             "Accept-Encoding": "identity", "Connection": "close"}
    for name, value in {**usual, **wanted.header, **dict([secret] if secret else [])}.items():
        connection.putheader(name, value.encode("utf-8"))
    connection.endheaders()
    return connection.getresponse()


def _dialed(url: SplitResult, wanted: Wanted, ends_s: float) -> socket.socket:
    """A connection to the first address of the host that may be dialed and takes one."""
    port = _port(url)
    reached = [address for address in _addresses(url, wanted, ends_s) if wanted.may_fetch(address)]
    if not reached:
        text = worded(
            "{host} is an internal address, and reports are fetched from public ones. The operator can open its "
            "network with POSTROOM_FETCH_NETWORKS.", host=printable(url.hostname or "", 200),
        )
        raise SourceFault(SourceFaultKind.NOT_ALLOWED, text)
    last = ""
    for address in reached[:ADDRESSES]:
        left_s = ends_s - time.monotonic()
        if left_s <= 0:
            raise _too_slow(wanted)
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        sock.settimeout(min(left_s, wanted.timeout_s))
        try:
            sock.connect((address, port))
        except OSError as error:
            sock.close()
            last = error.strerror or str(error)
        else:
            return sock
    text = worded("{host} does not take a connection.", host=printable(url.netloc.rpartition("@")[2], 200))
    raise SourceFault(SourceFaultKind.UNREACHABLE, text, printable(last, 200))


def _addresses(url: SplitResult, wanted: Wanted, ends_s: float) -> list[str]:
    """What the name says now; asking for it is part of the time that the fetch has."""
    host = url.hostname or ""
    try:
        return addresses_within(host, _port(url), ends_s - time.monotonic())
    except TimeoutError as error:
        if time.monotonic() >= ends_s:
            raise _too_slow(wanted) from error
        raise _unknown(host, error) from error
    except (OSError, ValueError) as error:
        raise _unknown(host, error) from error


def _unknown(host: str, error: Exception) -> SourceFault:
    text = worded("The name {host} can't be resolved.", host=printable(host, 200))
    return SourceFault(SourceFaultKind.UNREACHABLE, text, printable(str(error), 200))


@contextmanager
def _faults(deadline: _Deadline, wanted: Wanted, redaction: Redaction) -> Iterator[None]:
    """What goes wrong between connecting and the last octet, as a SourceFault; but not what `write` raises."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        text = worded("The server's certificate can't be verified, so nothing was asked of it.")
        raise SourceFault(SourceFaultKind.CERTIFICATE, text, printable(error.verify_message, 200)) from error
    except _NotWritten as error:
        raise error.cause from error
    except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
        if deadline.is_over or isinstance(error, TimeoutError):
            raise _too_slow(wanted) from error
        said = printable(redaction.text(str(error)), 200)
        raise SourceFault(SourceFaultKind.BROKEN_OFF, worded("The server broke off."), said) from error


class _NotWritten(Exception):
    """What `write` raised: a fault of the disk, not of the server."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _too_slow(wanted: Wanted) -> SourceFault:
    text = worded("The server did not send the whole report within {most} s.", most=f"{wanted.timeout_s:g}")
    return SourceFault(SourceFaultKind.TIMEOUT, text)


def _take(
    answer: http.client.HTTPResponse, url: SplitResult, wanted: Wanted, write: Callable[[bytes], None]
) -> None:
    _refuse_status(answer, Redaction("", wanted.secret[1]) if wanted.secret else Redaction())
    if (answer.getheader("Content-Encoding") or "identity").lower() != "identity":
        text = worded("The server sent the report compressed although it was asked not to.")
        raise SourceFault(SourceFaultKind.WRONG_TYPE, text, printable(answer.getheader("Content-Encoding") or "", 100))
    announced = answer.length
    if announced is None and not answer.chunked and url.scheme == "http":
        text = worded("The server does not say how long the report is, so that half of it could pass for the whole.")
        raise SourceFault(SourceFaultKind.BROKEN_OFF, text)
    if announced is not None and announced > wanted.most_bytes:
        raise _too_large(wanted)
    taken = 0
    while piece := answer.read(_READ_BYTES):
        taken += len(piece)
        if taken > wanted.most_bytes:
            raise _too_large(wanted)
        try:
            write(piece)
        except OSError as error:
            raise _NotWritten(error) from error
    if announced is not None and taken != announced:
        raise http.client.IncompleteRead(b"", announced - taken)


def _too_large(wanted: Wanted) -> SourceFault:
    text = worded("The report is larger than {most} bytes.", most=wanted.most_bytes)
    return SourceFault(SourceFaultKind.TOO_LARGE, text)


def _refuse_status(answer: http.client.HTTPResponse, redaction: Redaction) -> None:
    status = answer.status
    if status == 200:
        return
    line = printable(redaction.text(f"HTTP {status} {answer.reason}"), 200)
    if status in (401, 403, 407):
        text = worded("The server does not let Postroom in. Check the secret header of this source.")
        raise SourceFault(SourceFaultKind.SIGN_IN, text, line)
    if status in (404, 410):
        raise SourceFault(SourceFaultKind.MISSING, worded("There is no report at this address."), line)
    if status in (204, 205):
        raise SourceFault(SourceFaultKind.EMPTY, worded("The server has no report just now."), line)
    said = printable_octets(redaction.octets(answer.read(_SAID_BYTES)), _SAID_BYTES)
    raise SourceFault(SourceFaultKind.REFUSED, worded("The server refused."), f"{line}: {said}" if said else line)


def _media_type(answer: http.client.HTTPResponse) -> str:
    return printable((answer.getheader("Content-Type") or "").strip(), 200)


def _file_name(answer: http.client.HTTPResponse, url: SplitResult) -> str:
    match = _DISPOSITION.search(answer.getheader("Content-Disposition") or "")
    if match is not None:
        return unquote(match[1]) if match[1] else match[2] or match[3] or ""
    return unquote(url.path.rpartition("/")[2])
