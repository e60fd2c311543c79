"""Base64 in lines, streamed: however a file is cut, its octets and its length are the same."""

import base64

from hypothesis import given
from hypothesis import strategies as st
from tests.message.test_compose import DATE, READER, SENDER

from postroom.message.compose import Composed, compose
from postroom.message.draft import Attachment, Draft, Segment
from postroom.message.encoding import base64_lines, base64_size, base64_stream


@given(st.lists(st.binary(max_size=300), max_size=40))
def test_a_file_in_pieces_is_encoded_as_the_library_does_it_whole(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    encoded = b"".join(base64_stream(chunks))
    assert encoded == base64.encodebytes(whole).replace(b"\n", b"\r\n")
    assert len(encoded) == base64_size(len(whole))


def test_a_large_file_is_encoded_in_bounded_pieces() -> None:
    octets = bytes(range(256)) * 4_000
    pieces = list(base64_lines(octets))
    assert max(map(len, pieces)) < 100_000
    assert base64.b64decode(b"".join(pieces)) == octets


@given(st.binary(min_size=1, max_size=5_000))
def test_a_message_of_segments_reads_as_one_that_was_composed_whole(octets: bytes) -> None:
    encoded = b"".join(base64_lines(octets))
    whole = composed_with(octets)
    parts = composed_with(Segment("a", len(encoded), len(octets)))
    assert [type(part) for part in parts.parts] == [bytes, Segment, bytes]
    assert b"".join(encoded if isinstance(part, Segment) else part for part in parts.parts) == whole.content
    assert (parts.size_bytes, parts.needs_8bit) == (len(whole.content), False)


def composed_with(content: bytes | Segment) -> Composed:
    draft = Draft(SENDER, to=(READER,), text="Hello", attachments=(Attachment("a.bin", content),))
    return compose(draft, message_id="<id@example.com>", date=DATE, boundary_seed="seed")
