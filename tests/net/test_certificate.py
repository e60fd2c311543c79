"""Certificates as whoever answers on a port shows them: read where they can be, never a failure of ours."""

import datetime
import random
import warnings

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from postroom.net.certificate import NAMES, TEXT_CHARACTERS, certificate_of


def der(pem: trustme.Blob) -> bytes:
    return x509.load_pem_x509_certificate(pem.bytes()).public_bytes(Encoding.DER)


def test_a_certificate_is_read_in_full() -> None:
    ca = trustme.CA()
    leaf = ca.issue_cert("mx.example", "*.other.example", "192.0.2.1")
    seen = certificate_of(0, der(leaf.cert_chain_pems[0]))
    assert seen.names == ("mx.example", "*.other.example", "192.0.2.1")
    assert seen.key == "EC secp256r1"
    assert seen.signature == "sha256"
    assert (seen.is_ca, seen.self_signed) == (False, False)
    assert seen.not_before < datetime.datetime.now(datetime.UTC) < seen.not_after
    root = certificate_of(1, der(ca.cert_pem))
    assert (root.is_ca, root.self_signed) == (True, True)
    assert root.subject == seen.issuer
    assert len(root.sha256) == 64


@pytest.mark.parametrize("octets", [b"", b"\x30\x82", b"not a certificate", b"\0" * 5000])
def test_octets_that_are_no_certificate_are_unreadable(octets: bytes) -> None:
    seen = certificate_of(3, octets)
    assert (seen.position, seen.subject) == (3, "unreadable certificate")
    assert seen.sha256


def test_b12_a_damaged_certificate_is_read_as_far_as_it_goes() -> None:
    ca = trustme.CA()
    whole = der(ca.issue_cert("mx.example", "192.0.2.1").cert_chain_pems[0])
    chance = random.Random(1)
    read = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2000):
            octets = bytearray(whole)
            for _ in range(chance.randint(1, 3)):
                octets[chance.randrange(len(octets))] = chance.randrange(256)
            seen = certificate_of(0, bytes(octets))
            read += seen.subject != "unreadable certificate"
            assert len(seen.subject) <= TEXT_CHARACTERS
            assert len(seen.names) <= NAMES
    assert read > 200
