"""A text as the server or the program said it: without the wrappings that logs, bounces and formats put around it."""

import binascii
import html
import re
from collections.abc import Callable

from .evidence import TEXT_CHARACTERS

# A log says at its end what came of it.
_TAIL_CHARACTERS = TEXT_CHARACTERS // 3
_BASE64_LINES = re.compile(r"(?:^[A-Za-z0-9+/]{60,76}\r?$\n?){2,400}(?:^[A-Za-z0-9+/]{2,76}={0,2}\r?$)?", re.MULTILINE)
_SOFT_BREAK = re.compile(r"=\r?\n")
_QUOTED_OCTET = re.compile(r"=([0-9A-F]{2})")
_ESCAPE = re.compile(r'\\{1,6}(?:(["\'/])|[nrt](?=[^a-z]|[A-Z]|\d{3}\b|$)|u([0-9a-fA-F]{4}))')
_TAG = re.compile(r"</?(?:br|p|div|span|td|tr|b|a)(?:\s[^<>]{0,200})?/?>", re.IGNORECASE)
# Where in a program a failure was noticed says nothing about its cause.
_FRAME = re.compile(
    r'^[ \t]*(?:at [\w.$<>/`\[\]]{1,200} ?[(\[].{0,300}|File ".{1,300}", line \d{1,7}.{0,200}|#\d{1,4} [/\w].{0,400}|'
    r"\.\.\. \d{1,5} (?:more|common frames omitted)|from /.{1,300}:\d{1,7}:in .{0,200})$",
    re.MULTILINE,
)
# What Postfix adds to its own words, and what cPanel's banner says to everybody.
_ENVELOPE = re.compile(r"from=<[^<>]{0,320}> to=<[^<>]{0,320}> proto=\w{1,10}(?: helo=<[^<>]{0,320}>)?", re.IGNORECASE)
_NOTICE = re.compile(
    r"we do not authorize the use of this system to transport unsolicited,?\W{0,12}(?:smtp inbound: \")?(?:220 )?"
    r"and/or bulk e-?mail",
    re.IGNORECASE,
)
_REPLY_START = re.compile(r"(?<![\w./-])([245]\d\d)([ -])(?:([245]\.\d{1,3}\.\d{1,3})(?![\w.]) ?)?")


def unwrapped(text: str) -> str:
    """What counts of a text, in one line: both ends of a long one, decoded, replies joined, without stack frames."""
    kept = text
    if len(text) > TEXT_CHARACTERS:
        kept = f"{text[: TEXT_CHARACTERS - _TAIL_CHARACTERS]}\n{text[-_TAIL_CHARACTERS:]}"
    for step in (_decoded, _unescaped, _without_frames):
        kept = step(kept)
    line = " ".join(kept[: 2 * TEXT_CHARACTERS].split())
    return _joined(_NOTICE.sub(" ", _ENVELOPE.sub(" ", line)))


def _decoded(text: str) -> str:
    """Parts in base64 or quoted-printable, as RFC 2045 6 has them in bounces."""
    lower = text.lower()
    if "base64" in lower:
        text = _BASE64_LINES.sub(_from_base64, text)
    if "quoted-printable" in lower:
        text = _QUOTED_OCTET.sub(lambda octet: chr(int(octet[1], 16)), _SOFT_BREAK.sub("", text))
    return text


def _from_base64(block: re.Match[str]) -> str:
    """The block decoded when it is text, else as it was."""
    encoded = "".join(block[0].split())
    try:
        decoded = binascii.a2b_base64(encoded + "=" * (-len(encoded) % 4))
    except binascii.Error:
        return block[0]
    words = decoded.decode("utf-8", "replace")
    readable = sum(character.isprintable() or character.isspace() for character in words)
    return words if readable >= 0.95 * len(words) else block[0]


def _unescaped(text: str) -> str:
    """JSON in quotes, HTML with entities, each up to twice."""
    if "\\" in text:
        text = _ESCAPE.sub(_character, text)
    if "&" in text and ";" in text:
        text = html.unescape(html.unescape(text))
    return _TAG.sub(" ", text) if "<" in text else text


def _character(escape: re.Match[str]) -> str:
    if escape[1]:
        return escape[1]
    return chr(int(escape[2], 16)) if escape[2] else "\n"


def _without_frames(text: str) -> str:
    return _FRAME.sub("", text) if "\n" in text else text


def _joined(line: str) -> str:
    """The lines of one reply (RFC 5321 4.2.1) as one sentence: the code that each begins with stays once."""
    return _REPLY_START.sub(_once(), line)


def _once() -> Callable[[re.Match[str]], str]:
    going_on: set[tuple[str, str | None]] = set()

    def kept(start: re.Match[str]) -> str:
        code = (start[1], start[3])
        if code in going_on:
            if start[2] == " ":
                going_on.discard(code)
            return ""
        if start[2] == "-":
            going_on.add(code)
        return start[0]

    return kept
