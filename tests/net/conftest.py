"""A certificate authority of the tests, and what sessions need around a dialog."""

import ssl
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


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    ca = trustme.CA()
    return Certificates(ca, ca.cert_pem.bytes().decode())
