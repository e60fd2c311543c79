"""Remote text made safe to show: no control, no line break, no change of direction, no more than a limit."""


def printable(text: str, limit: int = 500) -> str:
    """`text` with what cannot be seen as \\xNN or \\u{NNNN}, cut to `limit` characters with "…" at the end.

    Escaped are controls, every line and paragraph separator, spaces other than U+0020, format characters (those that
    change direction or have no width among them), lone surrogates, private and unassigned code points.
    """
    shown = text[: limit + 1]
    if not shown.isprintable():
        shown = "".join(character if character.isprintable() else _escaped(character) for character in shown)
    return shown if len(shown) <= limit else shown[: max(limit - 1, 0)] + "…"


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{{{number:04x}}}"


def printable_octets(octets: bytes, limit: int = 500) -> str:
    """Octets as text: UTF-8 where they are, everything else escaped."""
    return printable(octets[: limit * 4].decode("utf-8", "backslashreplace"), limit)
