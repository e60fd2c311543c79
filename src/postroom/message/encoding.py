"""Base64 as MIME wants it (RFC 2045 section 6.8): lines of 76 characters, here always ended by CR LF."""

import binascii
from collections.abc import Iterable, Iterator

# 76 characters hold 57 octets.
_LINE_BYTES = 57
_LINE_CHARACTERS = 76
_BLOCK_BYTES = _LINE_BYTES * 1024


class Base64Encoder:
    """Encodes octets that come in pieces cut anywhere; the lines do not depend on where."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """The lines that are complete now, some 1,000 at a time."""
        octets = self._rest + octets if self._rest else octets
        whole = len(octets) - len(octets) % _LINE_BYTES
        self._rest = octets[whole:]
        yield from _blocks(memoryview(octets)[:whole])

    def end(self) -> bytes:
        """The last line, when there is one."""
        return binascii.b2a_base64(self._rest, newline=False) + b"\r\n" if self._rest else b""


def base64_size(size_bytes: int) -> int:
    """The length of that many octets in base64 with its line ends."""
    lines = -(-size_bytes // _LINE_BYTES)
    return -(-size_bytes // 3) * 4 + 2 * lines


def base64_lines(octets: bytes) -> Iterator[bytes]:
    """`octets` in whole lines, some 1,000 at a time."""
    return base64_stream((octets,))


def base64_stream(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """As `base64_lines`, of octets that come in pieces."""
    encoder = Base64Encoder()
    for chunk in chunks:
        yield from encoder.feed(chunk)
    if last := encoder.end():
        yield last


def _blocks(octets: memoryview) -> Iterator[bytes]:
    for start in range(0, len(octets), _BLOCK_BYTES):
        text = binascii.b2a_base64(octets[start : start + _BLOCK_BYTES], newline=False)
        yield b"\r\n".join(
            [text[at : at + _LINE_CHARACTERS] for at in range(0, len(text), _LINE_CHARACTERS)]
        ) + b"\r\n"
