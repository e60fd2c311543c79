"""A certificate that Postroom signs itself, for its listener, where the operator has none: better than clear text."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LASTS = timedelta(days=3_650)
_DAY = timedelta(days=1)


class CertificateFiles(NamedTuple):
    """PEM files of a certificate with its chain, and of its key."""

    certificate: Path
    key: Path


def own_certificate(folder: Path, host_name: str) -> CertificateFiles:
    """The files in `folder`, made where they are missing; the key's mode is 0600. Raises OSError."""
    files = CertificateFiles(folder / "submission-certificate.pem", folder / "submission-key.pem")
    if not (files.certificate.exists() and files.key.exists()):
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(files.key, pem)
        _write(files.certificate, _certificate(key, host_name).public_bytes(serialization.Encoding.PEM))
    return files


def _certificate(key: ec.EllipticCurvePrivateKey, host_name: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host_name[:64])])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _LASTS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host_name), x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .sign(key, hashes.SHA256())
    )


def _write(path: Path, pem: bytes) -> None:
    """Whole or not at all."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
