"""What is signed is verified by an independent reader, dkimpy; what is changed is not (RFC 6376, 8301, 8463)."""

import base64
from datetime import UTC, datetime
from itertools import pairwise

import dkim  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.message.compose import compose
from postroom.message.dkim import BodyHash, SigningKey, signature_fields
from postroom.message.draft import Draft
from postroom.terms.address import parse_mailbox

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RSA = SigningKey("company.example", "r1", rsa.generate_private_key(public_exponent=65537, key_size=2048))
ED25519 = SigningKey("company.example", "e1", Ed25519PrivateKey.generate())
HEADER = b"From: Reports <reports@company.example>\r\nTo: ann@example.com\r\nSubject: Sales\r\n"

line = st.text(st.sampled_from("ab \t.=-é"), max_size=12).map(str.encode)
bodies = st.lists(line, max_size=12).map(lambda lines: b"".join(line + b"\r\n" for line in lines))
words = st.text(st.sampled_from("abc \t:;=é,<>@"), max_size=20)
field = st.tuples(
    st.sampled_from(["Subject", "TO", "cc", "X-A", "List-Unsubscribe", "References", "Reply-To"]),
    st.lists(words, min_size=1, max_size=3).map("\r\n ".join),
).map(lambda pair: f"{pair[0]}: {pair[1]}x\r\n".encode())


def record(name: bytes, **_: object) -> bytes:
    """The DNS, as far as these keys go."""
    key = {b"r1._domainkey.company.example.": RSA, b"e1._domainkey.company.example.": ED25519}[name]
    public = key.private_key.public_key()
    if key is RSA:
        octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(octets)
    return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw))


def signed(header: bytes, body: bytes, *keys: SigningKey) -> bytes:
    body_hash = BodyHash()
    body_hash.feed(body)
    return signature_fields(header, body_hash.digest(), keys, AT) + header + b"\r\n" + body


def verifies(message: bytes, index: int = 0) -> bool:
    verifier = dkim.DKIM(message, minkey=1024)
    try:
        return bool(verifier.verify(idx=index, dnsfunc=record))
    except dkim.ValidationError:
        return False


@pytest.mark.parametrize("key", [RSA, ED25519])
@given(fields=st.lists(field, max_size=6), body=bodies)
@settings(max_examples=60)
def test_odd_fields_and_bodies_verify(key: SigningKey, fields: list[bytes], body: bytes) -> None:
    assert verifies(signed(b"From: r@company.example\r\n" + b"".join(fields), body, key))


@given(body=bodies, cuts=st.lists(st.integers(0, 200), max_size=8))
def test_a_body_hashes_alike_however_it_is_cut(body: bytes, cuts: list[int]) -> None:
    whole, pieces = BodyHash(), BodyHash()
    whole.feed(body)
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    for start, end in pairwise(places):
        pieces.feed(body[start:end])
    assert pieces.digest() == whole.digest()


def test_both_signatures_of_a_message_verify_and_each_names_its_algorithm() -> None:
    message = signed(HEADER, b"Hello\r\n", RSA, ED25519)
    assert verifies(message, 0)
    assert verifies(message, 1)
    assert message.index(b"a=rsa-sha256") < message.index(b"a=ed25519-sha256")


@pytest.mark.parametrize("key", [RSA, ED25519])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Sales", b"Prices"),
        (b"ann@example.com", b"eve@example.com"),
        (b"Hello", b"Hallo"),
        (b"From: Reports", b"From: Eve <eve@example.org>\r\nFrom: Reports"),
        (b"Subject: Sales", b"Subject: Sales\r\nSubject: Prices"),
        (b"Subject: Sales", b"Subject: Sales\r\nReply-To: eve@example.org"),
        (b"Hello\r\n", b"Hello\r\nMore\r\n"),
    ],
)
def test_what_is_changed_or_added_no_longer_verifies(key: SigningKey, old: bytes, new: bytes) -> None:
    message = signed(HEADER, b"Hello\r\n", key)
    assert verifies(message)
    assert not verifies(message.replace(old, new))


def test_a_signature_has_no_length_and_short_lines() -> None:
    message = signed(HEADER, b"Hello\r\n", RSA)
    signature = message[: message.index(b"From: Reports")]
    assert b"l=" not in signature.replace(b"bl=", b"")
    assert max(map(len, signature.split(b"\r\n"))) <= 78
    assert b"from:from" in signature


def test_fields_of_one_click_unsubscribe_are_signed() -> None:
    listed = b"List-Unsubscribe: <https://x.example/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    header = HEADER + listed
    message = signed(header, b"Hello\r\n", RSA)
    assert not verifies(message.replace(b"https://x.example", b"https://y.example"))
    assert not verifies(message.replace(b"One-Click", b"Two-Click"))


def test_a_composed_message_verifies_and_blanks_at_line_ends_do_not_count() -> None:
    sender, reader = parse_mailbox("R <r@company.example>"), parse_mailbox("a@b.example")
    draft = Draft(sender, to=(reader,), subject="Größe", text="a \nb")
    content = compose(draft, message_id="<a@company.example>", date=AT, boundary_seed="x").content
    header, _, body = content.partition(b"\r\n\r\n")
    message = signed(header + b"\r\n", body, RSA, ED25519)
    assert verifies(message)
    assert verifies(message.replace(b"a \r\n", b"a\r\n"), 1)
