"""Certificates of servers at fault, made anew for each run: none lasts longer than the tests."""

import ssl
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST = "mail.norrvik.example"
_NAMES = (HOST, "smtp.gmail.com", "smtp.office365.com", "email-smtp.eu-west-1.amazonaws.com")
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def _name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def issued(
    subject: x509.Name,
    by: Issued | None,
    *,
    names: tuple[str, ...] = (),
    days: tuple[int, int] = (-2, 60),
    key: Key | None = None,
    for_clients: bool = False,
) -> Issued:
    """A certificate for `names`, of an authority when there are none; signed by itself without `by`."""
    own_key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(by.certificate.subject if by else subject)
        .public_key(own_key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0])).not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    if for_clients:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    return Issued(builder.sign((by.key if by else own_key), hashes.SHA256()), own_key)


class Certificates:
    """One authority that the cases trust, and a context for each kind of server."""

    def __init__(self) -> None:
        self._root = issued(_name("Norrvik Test Root"), None, days=(-400, 400))
        self._between = issued(_name("Norrvik Test Issuing CA 2"), self._root, days=(-300, 300))
        self._contexts: dict[str, ssl.SSLContext] = {}

    @cached_property
    def pem(self) -> str:
        return self._root.pem.decode()

    def context(self, kind: str) -> ssl.SSLContext:
        if kind not in self._contexts:
            self._contexts[kind] = _KINDS[kind](self)
        return self._contexts[kind]

    def leaf(self, *names: str, days: tuple[int, int] = (-2, 60), key: Key | None = None) -> Issued:
        names = names or _NAMES
        return issued(_name(names[0]), self._root, names=names, days=days, key=key)

    def good(self) -> ssl.SSLContext:
        return _context(self.leaf())

    def whole_private(self) -> ssl.SSLContext:
        leaf = issued(_name(HOST), self._between, names=(HOST,))
        return _context(leaf, self._between, self._root)

    def without_intermediate(self) -> ssl.SSLContext:
        public = issued(_name("R97", "Let's Encrypt"), self._root)
        return _context(issued(_name(HOST), public, names=(HOST,)))

    def intercepted(self) -> ssl.SSLContext:
        between = issued(_name("Fortinet Untrusted CA", "Fortinet"), None)
        return _context(issued(_name(HOST), between, names=(HOST,)), between)

    def expired_intermediate(self) -> ssl.SSLContext:
        between = issued(_name("Norrvik Test Issuing CA 1"), self._root, days=(-300, -3))
        return _context(issued(_name(HOST), between, names=(HOST,)), between)

    def only_for_clients(self) -> ssl.SSLContext:
        return _context(issued(_name(HOST), self._root, names=(HOST,), for_clients=True))

    def old(self) -> ssl.SSLContext:
        context = self.good()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    def odd_cipher(self) -> ssl.SSLContext:
        context = self.good()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("eNULL:@SECLEVEL=0")
        return context

    def wants_client(self) -> ssl.SSLContext:
        context = self.good()
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=self.pem)
        return context

    def wants_client_12(self) -> ssl.SSLContext:
        context = self.wants_client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context

    def unknown_name(self) -> ssl.SSLContext:
        context = self.good()
        context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        return context

    def internal_error(self) -> ssl.SSLContext:
        context = self.good()
        context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        return context

    def access_denied(self) -> ssl.SSLContext:
        context = self.good()
        context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_ACCESS_DENIED
        return context


def _context(leaf: Issued, *chain: Issued, weak: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if weak:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    private = leaf.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chain.pem"
        file.write_bytes(private + b"".join(each.pem for each in (leaf, *chain)))
        context.load_cert_chain(file)
    return context


_KINDS: dict[str, Callable[[Certificates], ssl.SSLContext]] = {
    "good": Certificates.good,
    "expired": lambda c: _context(c.leaf(days=(-100, -9))),
    "not-yet-valid": lambda c: _context(c.leaf(days=(12, 100))),
    "other-name": lambda c: _context(c.leaf("www.norrvik.example", "norrvik.example")),
    "self-signed": lambda _: _context(issued(_name(HOST), None, names=(HOST,))),
    "private-chain": Certificates.whole_private,
    "without-intermediate": Certificates.without_intermediate,
    "intercepted": Certificates.intercepted,
    "expired-intermediate": Certificates.expired_intermediate,
    "for-clients": Certificates.only_for_clients,
    "weak-key": lambda c: _context(c.leaf(HOST, key=rsa.generate_private_key(65_537, 1024)), weak=True),
    "old-tls": Certificates.old,
    "odd-cipher": Certificates.odd_cipher,
    "wants-client": Certificates.wants_client,
    "wants-client-1.2": Certificates.wants_client_12,
    "unknown-name": Certificates.unknown_name,
    "internal-error": Certificates.internal_error,
    "access-denied": Certificates.access_denied,
}
