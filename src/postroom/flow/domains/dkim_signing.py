"""Sign what is accepted: once, as its octets are frozen, with every key that is switched on for the domain in From."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from postroom.message.compose import Composed
from postroom.message.dkim import BodyHash, SigningKey, signature_fields

# By the domain in From. A domain without one has no entry.
SigningKeys = Mapping[str, tuple[SigningKey, ...]]


def signature_of(
    header: bytes, body: Iterable[bytes], domain: str, keys: SigningKeys, signed_at: datetime
) -> bytes:
    """The fields to stand before `header` (whole lines up to the empty one), nothing where no key signs for `domain`.

    `body` is everything after the empty line; it is asked for only where it is signed."""
    chosen: Sequence[SigningKey] = keys.get(domain, ())
    if not chosen:
        return b""
    body_hash = BodyHash()
    for octets in body:
        body_hash.feed(octets)
    return signature_fields(header, body_hash.digest(), chosen, signed_at)


def signed(composed: Composed, octets: Iterator[bytes], keys: SigningKeys, signed_at: datetime) -> Composed:
    """The message with the signatures of its From domain's keys; `octets` are all of it, the first piece its header."""
    header, body = split_header(octets)
    signature = signature_of(header, body, composed.from_address.rpartition("@")[2], keys, signed_at)
    first, *others = composed.parts
    if not signature or not isinstance(first, bytes):
        return composed
    return replace(composed, parts=(signature + first, *others))


def split_header(octets: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The header of a message whose first piece holds all of it, and the body."""
    header, _, rest = next(octets).partition(b"\r\n\r\n")

    def body() -> Iterator[bytes]:
        yield rest
        yield from octets

    return header + b"\r\n", body()
