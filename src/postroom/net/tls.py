"""TLS on a byte stream that somebody else reads (RFC 8446, RFC 3207): octets in, octets out.

Contract: the peer's raw octets pass through here, so that whatever answers a ClientHello in plain text can be shown,
and nothing that was buffered before TLS can slip into it (asyncio's stream start_tls loses or mixes such octets).
TLS 1.2 is the oldest version spoken; certificates are verified against the name by OpenSSL.
"""

import ssl
import warnings

from postroom.smtp.trace import TlsEnded

from .certificate import chain_of

FIRST_OCTETS = 512
_READ_BYTES = 65_536
_RECORD_TYPES = range(20, 25)
_HANDSHAKE_RECORD = b"\x16"
_VERSION_REASONS = (
    "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "VERSION_TOO_LOW", "PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE",
    "WRONG_VERSION_NUMBER", "INAPPROPRIATE_FALLBACK",
)
_CIPHER_REASONS = (
    "HANDSHAKE_FAILURE", "NO_SHARED_CIPHER", "NO_CIPHERS_AVAILABLE", "INSUFFICIENT_SECURITY", "WRONG_CIPHER_RETURNED",
    "UNKNOWN_CIPHER_RETURNED", "DH_KEY_TOO_SMALL", "EE_KEY_TOO_SMALL", "BAD_ECPOINT", "WRONG_CURVE",
)


def verifying_context(ca_pem: str = "") -> ssl.SSLContext:
    """Verification against the system store (or SSL_CERT_FILE) and `ca_pem`.

    Raises ssl.SSLError when `ca_pem` holds no certificate. A certificate in `ca_pem` is trusted whether or not it is
    a root, so that a server's own certificate can be trusted alone.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # Python 3.13 turns this on; many private CAs lack an authority key identifier and are as good as before.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if ca_pem:
        context.load_verify_locations(cadata=ca_pem)
    return context


def unverifying_context() -> ssl.SSLContext:
    """No verification: for servers whose administrator switched it off."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def looking_context() -> ssl.SSLContext:
    """For looks: also at keys and ciphers that are too weak to be trusted with anything."""
    context = unverifying_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def oldest_context() -> ssl.SSLContext:
    """Permits TLS 1.0 and 1.1 and any cipher, only to read which version a server speaks; never for mail."""
    context = unverifying_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


class TlsLayer:
    """One side of a TLS connection over memory."""

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name or None)
        self._verifies = context.verify_mode is ssl.CERT_REQUIRED
        self.server_name = server_name
        self.first_octets = b""
        self.is_open = False
        self.is_ended = False

    @property
    def is_not_tls(self) -> bool:
        """True when what came first cannot be a TLS record."""
        first = self.first_octets
        return bool(first) and (first[0] not in _RECORD_TYPES or (len(first) > 1 and first[1] != 3))

    def handshake(self) -> bool:
        """One step; True once the handshake is complete. Raises ssl.SSLError."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self.is_open = True
        return True

    def received(self, octets: bytes) -> None:
        if len(self.first_octets) < FIRST_OCTETS:
            self.first_octets += octets[: FIRST_OCTETS - len(self.first_octets)]
        self._incoming.write(octets)

    def plain(self) -> bytes:
        """What can be decrypted by now. Raises ssl.SSLError."""
        parts = []
        while True:
            try:
                part = self._tls.read(_READ_BYTES)
            except ssl.SSLWantReadError:
                break
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                self.is_ended = True
                break
            if not part:
                self.is_ended = True
                break
            parts.append(part)
        return b"".join(parts)

    def encrypted(self, octets: bytes) -> bytes:
        """`octets` as TLS records, with whatever else waits to leave. Raises ssl.SSLError."""
        if octets:
            self._tls.write(octets)
        return self._outgoing.read()

    def farewell(self) -> bytes:
        """The close_notify alert, best effort: the connection is closed right after."""
        try:
            self._tls.unwrap()
        except (ssl.SSLError, ValueError):
            return self._outgoing.read()
        return self._outgoing.read()

    def facts(self, at_s: float) -> TlsEnded:
        """What a completed handshake agreed on."""
        cipher = self._tls.cipher()
        return TlsEnded(
            at_s,
            version=(self._tls.version() or "").replace("TLSv", "TLS "),
            cipher=cipher[0] if cipher else "",
            chain=chain_of(self._tls),
            verified=self._verifies,
            server_name=self.server_name,
        )


def failed_handshake(at_s: float, error: ssl.SSLError, server_name: str, first_octets: bytes) -> TlsEnded:
    """OpenSSL's error as an event."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsEnded(
            at_s, error="certificate", error_text=error.verify_message, verify_code=error.verify_code,
            verify_text=error.verify_message, server_name=server_name,
        )
    reason = error.reason or ""
    text = reason.replace("_", " ").lower() or str(error)
    if "ALERT_HANDSHAKE_FAILURE" in reason and first_octets[:1] == _HANDSHAKE_RECORD:
        # Its hello had named the cipher: what it refuses is something that we sent, or did not send, after that.
        return TlsEnded(
            at_s, error="alert", error_text=f"{text} after the server's hello", first_bytes=first_octets,
            server_name=server_name,
        )
    return TlsEnded(
        at_s, error=_kind(reason, first_octets), error_text=text, first_bytes=first_octets, server_name=server_name
    )


def _kind(reason: str, first_octets: bytes) -> str:
    if any(known in reason for known in _VERSION_REASONS):
        return "protocol-version"
    if any(known in reason for known in _CIPHER_REASONS):
        return "no-cipher"
    if "ALERT" in reason:
        return "alert"
    return "other" if first_octets else "closed"
