"""Remote text made safe to show: no control, no line break, no change of direction, no more than a limit."""

import re

# C0, DEL, C1, line and paragraph separators, bidirectional controls (Unicode TR9), zero-width and tag characters,
# lone surrogates, non-characters.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)


def _escaped(match: re.Match[str]) -> str:
    number = ord(match.group())
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{{{number:04x}}}"


def printable(text: str, limit: int = 500) -> str:
    """`text` with unsafe characters as \\xNN or \\u{NNNN}, cut to `limit` characters with "…" at the end.

    U+FFFD, which stands for octets that were not UTF-8, stays. The result never holds a line break.
    """
    shown = _UNSAFE.sub(_escaped, text[: limit + 1])
    return shown if len(shown) <= limit else shown[: max(limit - 1, 0)] + "…"


def printable_octets(octets: bytes, limit: int = 500) -> str:
    """Octets as text: UTF-8 where they are, everything else escaped."""
    return printable(octets[: limit * 4].decode("utf-8", "backslashreplace"), limit)
