"""What a TLS peer showed of itself, read from its certificates."""

import hashlib
import ssl
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from postroom.smtp.trace import CertificateSeen

# No RFC figure: chains on the public internet have at most 5 certificates, OpenSSL refuses messages over 100 kB.
CHAIN_CERTIFICATES = 16
NAMES = 100
TEXT_CHARACTERS = 300


def chain_of(tls: ssl.SSLObject) -> tuple[CertificateSeen, ...]:
    """The certificates the peer sent, leaf first, also those that verification does not need."""
    octets: list[bytes]
    if hasattr(tls, "get_unverified_chain"):  # public from Python 3.13
        octets = list(tls.get_unverified_chain())
    else:
        shown: list[Any] = getattr(tls, "_sslobj").get_unverified_chain() or []  # noqa: B009 - private on 3.11 and 3.12
        octets = [certificate.public_bytes(2) for certificate in shown]  # 2 is DER
    return tuple(certificate_of(position, der) for position, der in enumerate(octets[:CHAIN_CERTIFICATES]))


def certificate_of(position: int, der: bytes) -> CertificateSeen:
    """One certificate; where it cannot be read, its digest and the words "unreadable certificate"."""
    digest = hashlib.sha256(der).hexdigest()
    try:
        return _read(position, x509.load_der_x509_certificate(der), digest)
    except (ValueError, TypeError, NotImplementedError, x509.UnsupportedGeneralNameType):
        never = datetime.fromtimestamp(0, UTC)
        return CertificateSeen(position, "unreadable certificate", "", (), never, never, sha256=digest)


def _read(position: int, certificate: x509.Certificate, digest: str) -> CertificateSeen:
    algorithm = certificate.signature_hash_algorithm
    return CertificateSeen(
        position=position,
        subject=certificate.subject.rfc4514_string()[:TEXT_CHARACTERS],
        issuer=certificate.issuer.rfc4514_string()[:TEXT_CHARACTERS],
        names=_names(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=_key(certificate),
        signature=algorithm.name if algorithm else "",
        sha256=digest,
        is_ca=_is_ca(certificate),
        self_signed=_is_self_signed(certificate),
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ()
    shown = [n.value for n in names if isinstance(n, x509.DNSName)]
    shown += [str(n.value) for n in names if isinstance(n, x509.IPAddress)]
    return tuple(name[:TEXT_CHARACTERS] for name in shown[:NAMES])


def _key(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"EC {key.curve.name}"
        case dsa.DSAPublicKey():
            return f"DSA {key.key_size}"
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ed448.Ed448PublicKey():
            return "Ed448"
        case _:
            return ""


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def _is_self_signed(certificate: x509.Certificate) -> bool:
    """True when issuer and subject are the same and the signature is its own."""
    if certificate.issuer != certificate.subject:
        return False
    try:
        certificate.verify_directly_issued_by(certificate)
    except Exception:  # noqa: BLE001 - a hostile key or signature may fail in any way; then it is not its own
        return False
    return True
