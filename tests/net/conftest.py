"""A certificate authority of the tests, and what sessions need around a dialog."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import trustme


@dataclass(frozen=True)
class Certificates:
    """A private authority; `server` shows a certificate for localhost and 127.0.0.1."""

    ca: trustme.CA
    pem: str

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*(names or ("localhost", "127.0.0.1"))).configure_cert(context)
        return context

    def old_server(self) -> ssl.SSLContext:
        """TLS 1.0 and 1.1 only."""
        context = self.server()
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context


@contextlib.contextmanager
def handshaking(context: ssl.SSLContext) -> Iterator[int]:
    """A port where a blocking server shakes hands once after the other: unlike asyncio's, it sends its TLS alerts."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer, contextlib.suppress(OSError):
                peer.settimeout(5.0)
                context.wrap_socket(peer, server_side=True).recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    ca = trustme.CA()
    return Certificates(ca, ca.cert_pem.bytes().decode())
