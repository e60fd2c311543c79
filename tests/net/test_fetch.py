"""Reports over HTTP(S) from servers that do as they like: whole, bounded, and only from addresses that may be asked."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from postroom.net import fetch as fetching
from postroom.net.fetch import Fetched, Wanted, fetch
from postroom.policy.fetch_networks import FetchNetworks
from postroom.terms.source_fault import SourceFault, SourceFaultKind

from .conftest import Certificates

LOOPBACK = FetchNetworks.parse("127.0.0.0/8")
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 5\r\n\r\na,b\r\n"
Answer = Callable[[bytes], bytes]


class Server:
    """Answers each connection with what `answer` makes of its request; `requests` are those that came."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None, pause_s: float = 0) -> None:
        self.requests: list[bytes] = []
        self._answer, self._context, self._pause_s = answer, context, pause_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), peer:
                peer.settimeout(5)
                self._converse(self._context.wrap_socket(peer, server_side=True) if self._context else peer)

    def _converse(self, peer: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request and (piece := peer.recv(65_536)):
            request += piece
        self.requests.append(request)
        answer = self._answer(request)
        if not self._pause_s:
            peer.sendall(answer)
        else:
            for octet in answer:
                peer.sendall(bytes([octet]))
                time.sleep(self._pause_s)
        if isinstance(peer, ssl.SSLSocket):
            peer.unwrap()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(6)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    with contextlib.ExitStack() as stack:
        def served(answer: Answer | bytes, **more: Any) -> Server:
            made = answer if callable(answer) else (lambda _request: answer)
            server = Server(made, **more)
            stack.callback(server.close)
            return server

        yield served


def fetched(url: str, **more: Any) -> tuple[Fetched, bytes]:
    octets = bytearray()
    usual: dict[str, Any] = {
        "header": {}, "timeout_s": 5.0, "most_bytes": 1_000_000, "may_fetch": LOOPBACK.may_fetch,
    }
    return fetch(Wanted(url=url, **(usual | more)), octets.extend), bytes(octets)


def fault(url: str, **more: Any) -> SourceFault:
    with pytest.raises(SourceFault) as caught:
        fetched(url, **more)
    return caught.value


def test_a_report_comes_with_its_type_and_name(serve: Callable[..., Server]) -> None:
    head = GOOD.replace(b"\r\n\r\n", b'\r\nContent-Disposition: attachment; filename="../sales.csv"\r\n\r\n', 1)
    server = serve(head)
    got, octets = fetched(f"http://127.0.0.1:{server.port}/x/y.csv?day=1", header={"Accept-Language": "fr"})
    assert (octets, got.media_type, got.file_name) == (b"a,b\r\n", "text/csv", "../sales.csv")
    assert server.requests[0].startswith(b"GET /x/y.csv?day=1 HTTP/1.1\r\n")
    assert b"Accept-Language: fr\r\n" in server.requests[0]


def test_chunks_are_put_together(serve: Callable[..., Server]) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na,b\r\n2\r\n\r\n\r\n0\r\n\r\n")
    assert fetched(f"http://127.0.0.1:{server.port}/")[1] == b"a,b\r\n"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", SourceFaultKind.BROKEN_OFF),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", SourceFaultKind.BROKEN_OFF),
        (b"HTTP/1.1 200 OK\r\n\r\nno length", SourceFaultKind.BROKEN_OFF),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", SourceFaultKind.TOO_LARGE),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1e8480\r\n" + bytes(2_000_000) + b"\r\n0\r\n\r\n",
            SourceFaultKind.TOO_LARGE,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", SourceFaultKind.WRONG_TYPE),
        (b"HTTP/1.1 204 No Content\r\n\r\n", SourceFaultKind.EMPTY),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", SourceFaultKind.SIGN_IN),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", SourceFaultKind.MISSING),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\nboom", SourceFaultKind.REFUSED),
        (b"220 mail.example ESMTP\r\n", SourceFaultKind.BROKEN_OFF),
        (b"", SourceFaultKind.BROKEN_OFF),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", SourceFaultKind.BROKEN_OFF),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, SourceFaultKind.BROKEN_OFF),
    ],
)
def test_s7_what_is_not_a_whole_report_is_none(serve: Callable[..., Server], answer: bytes, kind: str) -> None:
    server = serve(answer)
    assert fault(f"http://127.0.0.1:{server.port}/").kind == kind


def test_s7_a_server_that_drips_is_cut_off(serve: Callable[..., Server]) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000, pause_s=0.02)
    began = time.monotonic()
    assert fault(f"http://127.0.0.1:{server.port}/", timeout_s=1.0).kind == SourceFaultKind.TIMEOUT
    assert time.monotonic() - began < 5


def test_s7_a_server_that_drips_behind_tls_is_cut_off(
    serve: Callable[..., Server], certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting = fetching.verifying_context
    monkeypatch.setattr(fetching, "verifying_context", lambda: trusting(certificates.pem))
    dripping = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"x" * 200
    server = serve(dripping, context=certificates.server("localhost"), pause_s=0.03)
    began = time.monotonic()
    assert fault(f"https://localhost:{server.port}/", timeout_s=1.0).kind == SourceFaultKind.TIMEOUT
    assert time.monotonic() - began < 5


def test_s7_a_server_that_says_nothing_is_cut_off(serve: Callable[..., Server]) -> None:
    ended = threading.Event()
    server = serve(lambda _request: bytes(ended.wait(4)))
    assert fault(f"http://127.0.0.1:{server.port}/", timeout_s=0.5).kind == SourceFaultKind.TIMEOUT
    ended.set()


def test_s7_a_name_service_that_says_nothing_takes_no_more_than_the_time_of_the_fetch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()

    def silent(*_: Any, **__: Any) -> list[Any]:
        released.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    began = time.monotonic()
    try:
        told = fault("http://reports.example/", timeout_s=0.5)
    finally:
        released.set()
    assert told.kind == SourceFaultKind.TIMEOUT
    assert time.monotonic() - began < 5


def test_e1_an_internal_address_is_refused_before_anything_is_dialed(serve: Callable[..., Server]) -> None:
    server = serve(GOOD)
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"):
        refused = fault(f"http://{host}:{server.port}/", may_fetch=FetchNetworks().may_fetch)
        assert refused.kind == SourceFaultKind.NOT_ALLOWED
        assert "POSTROOM_FETCH_NETWORKS" in refused.text
    assert server.requests == []


def test_e2_the_address_that_was_checked_is_dialed_and_the_name_is_asked_once(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, asked = serve(GOOD), []

    def answer(host: str, port: int, **_more: Any) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.66"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    checked: list[str] = []

    def may_fetch(address: str) -> bool:
        checked.append(address)
        return True

    assert fetched(f"http://reports.example:{server.port}/", may_fetch=may_fetch)[1] == b"a,b\r\n"
    assert (asked, checked) == (["reports.example"], ["127.0.0.1"])
    assert b"Host: reports.example" in server.requests[0]


def test_e2_each_redirect_is_checked_anew(serve: Callable[..., Server]) -> None:
    target = serve(GOOD)
    server = serve(f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:{target.port}/\r\n\r\n".encode())
    only_one = FetchNetworks.parse("127.0.0.1/32").may_fetch
    assert fault(f"http://127.0.0.1:{server.port}/", may_fetch=only_one).kind == SourceFaultKind.NOT_ALLOWED
    assert target.requests == []


def test_redirects_end(serve: Callable[..., Server]) -> None:
    server = serve(b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n")
    assert fault(f"http://127.0.0.1:{server.port}/").kind == SourceFaultKind.REFUSED
    assert len(server.requests) == fetching.REDIRECTS + 1


@pytest.mark.parametrize("place", ["file:///etc/passwd", "gopher://127.0.0.1/", "//", "http://"])
def test_a_redirect_to_what_is_no_web_address_is_refused(serve: Callable[..., Server], place: str) -> None:
    server = serve(f"HTTP/1.1 302 Found\r\nLocation: {place}\r\n\r\n".encode())
    assert fault(f"http://127.0.0.1:{server.port}/").kind in (SourceFaultKind.REFUSED, SourceFaultKind.UNREACHABLE)


def test_t9_a_secret_goes_to_its_own_origin_and_into_no_fault(serve: Callable[..., Server]) -> None:
    other = serve(GOOD)
    server = serve(f"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:{other.port}/\r\n\r\n".encode())
    fetched(f"http://127.0.0.1:{server.port}/", secret=("Authorization", "Bearer canary-7f3a"))
    assert b"Authorization: Bearer canary-7f3a\r\n" in server.requests[0]
    assert b"canary" not in other.requests[0]
    echo = serve(lambda request: b"HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n" % len(request) + request)
    told = fault(f"http://127.0.0.1:{echo.port}/", secret=("Authorization", "canary-7f3a"))
    assert "canary" not in f"{told} {told.text} {told.evidence}"


def test_a_certificate_is_verified_against_the_name(
    serve: Callable[..., Server], certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(GOOD, context=certificates.server("localhost"))
    assert fault(f"https://localhost:{server.port}/").kind == SourceFaultKind.CERTIFICATE
    trusting = fetching.verifying_context
    monkeypatch.setattr(fetching, "verifying_context", lambda: trusting(certificates.pem))
    assert fetched(f"https://localhost:{server.port}/")[1] == b"a,b\r\n"
    assert fault(f"https://127.0.0.1:{server.port}/").kind == SourceFaultKind.CERTIFICATE
    downgrade = serve(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", context=certificates.server())
    assert fault(f"https://localhost:{downgrade.port}/").kind == SourceFaultKind.NOT_ALLOWED


def test_a_fault_of_the_disk_is_not_told_as_one_of_the_server(serve: Callable[..., Server]) -> None:
    server = serve(GOOD)
    wanted = Wanted(f"http://127.0.0.1:{server.port}/", {}, 5.0, 1_000, LOOPBACK.may_fetch)

    def full(_octets: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fetch(wanted, full)
