"""What a TLS peer showed of itself, read from its certificates."""

import hashlib
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from postroom.smtp.trace import CertificateSeen

_T = TypeVar("_T")

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
    """One certificate; where it cannot be read, its digest and the words "unreadable certificate".

    Whoever answers on a port makes these octets, and the library raises many kinds for odd versions, keys, curves and
    names: a part that cannot be read is empty.
    """
    digest = hashlib.sha256(der).hexdigest()
    never = datetime.fromtimestamp(0, UTC)
    unreadable = CertificateSeen(position, "unreadable certificate", "", (), never, never, sha256=digest)
    return _part(lambda: _read(position, x509.load_der_x509_certificate(der), digest), unreadable)


def _part(read: Callable[[], _T], otherwise: _T) -> _T:
    try:
        return read()
    except Exception:  # noqa: BLE001 - see certificate_of
        return otherwise


def _read(position: int, certificate: x509.Certificate, digest: str) -> CertificateSeen:
    return CertificateSeen(
        position=position,
        subject=certificate.subject.rfc4514_string()[:TEXT_CHARACTERS],
        issuer=certificate.issuer.rfc4514_string()[:TEXT_CHARACTERS],
        names=_part(lambda: _names(certificate), ()),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=_part(lambda: _key(certificate), ""),
        signature=_part(lambda: _signature(certificate), ""),
        sha256=digest,
        is_ca=_part(lambda: certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca, False),
        self_signed=_part(lambda: _is_self_signed(certificate), False),
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    shown = [n.value for n in names if isinstance(n, x509.DNSName)]
    shown += [str(n.value) for n in names if isinstance(n, x509.IPAddress)]
    return tuple(name[:TEXT_CHARACTERS] for name in shown[:NAMES])


def _signature(certificate: x509.Certificate) -> str:
    algorithm = certificate.signature_hash_algorithm
    return algorithm.name if algorithm else ""


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


def _is_self_signed(certificate: x509.Certificate) -> bool:
    """True when issuer and subject are the same; raises when the signature is not its own."""
    if certificate.issuer != certificate.subject:
        return False
    certificate.verify_directly_issued_by(certificate)
    return True
