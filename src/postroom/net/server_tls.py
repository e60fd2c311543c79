"""TLS from the server's side, over memory: what came before the handshake never mixes with what comes after it."""

import ssl
from pathlib import Path

ServerContext = ssl.SSLContext
_READ_BYTES = 65_536


def server_context(certificate_file: Path, key_file: Path) -> ServerContext:
    """For a certificate chain and its key in PEM files. Raises OSError, of which ssl.SSLError is one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate_file, key_file)
    return context


class ServerTls:
    """The server's side of one connection."""

    __slots__ = ("_incoming", "_outgoing", "_tls", "is_ended", "is_open")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.is_open = self.is_ended = False

    def decrypted(self, octets: bytes) -> bytes:
        """What these octets come to; empty while the handshake lasts. Raises ssl.SSLError."""
        self._incoming.write(octets)
        if not self.is_open:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                return b""
            self.is_open = True
        parts = []
        try:
            while part := self._tls.read(_READ_BYTES):
                parts.append(part)
            self.is_ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.is_ended = True
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def encrypted(self, octets: bytes) -> bytes:
        """`octets` as TLS records, with whatever else waits to leave, such as an alert. Raises ssl.SSLError."""
        if octets:
            self._tls.write(octets)
        return self._outgoing.read()
