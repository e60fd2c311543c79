"""Header fields as octets: folding (RFC 5322 section 2.2.3), encoded words (RFC 2047), parameters (RFC 2231)."""

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote

from postroom.terms.address import Mailbox

# RFC 5322 section 2.1.1: lines should have at most 78 characters. RFC 2047 section 2: an encoded word at most 75.
LINE_CHARACTERS = 78
_ENCODED_WORD_CHARACTERS = 75
# A longer word would not fit into a line of 998 octets behind its field name.
_WORD_CHARACTERS = 900
_PREFIX, _SUFFIX = "=?utf-8?", "?="
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(?: [A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*")
_PLAIN_Q = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_PARAMETER_CHARACTERS = 60


def unstructured(name: str, text: str) -> str:
    """`Name: text` folded and ended by CR LF; encoded unless plain words read the same afterwards."""
    if not text:
        return f"{name}:\r\n"
    words = text.split(" ")
    is_plain = text.isascii() and text.isprintable() and "=?" not in text and all(words)
    if is_plain and len(name) + len(text) + 2 <= LINE_CHARACTERS:
        return f"{name}: {text}\r\n"
    if is_plain and all(len(word) <= _WORD_CHARACTERS for word in words):
        return _folded(name, words)
    return _folded(name, encoded_words(text))


def structured(name: str, text: str) -> str:
    """A field of US-ASCII words, folded between them and never encoded."""
    return _folded(name, text.split())


def addresses(name: str, mailboxes: Iterable[Mailbox]) -> str:
    """A field of mailboxes, folded after commas."""
    mailboxes = tuple(mailboxes)
    if len(mailboxes) == 1:
        alone = f"{name}: {mailbox_text(mailboxes[0])}"
        if len(alone) <= LINE_CHARACTERS:
            return f"{alone}\r\n"
    listed = [mailbox_text(mailbox) for mailbox in mailboxes]
    entries = [text + "," for text in listed[:-1]] + listed[-1:]
    return _folded(name, [word for entry in entries for word in ([entry] if '"' in entry else entry.split(" "))])


def mailbox_text(mailbox: Mailbox) -> str:
    """A mailbox as it stands in a header; UTF-8 only where its address needs it (RFC 6532)."""
    address, name = mailbox.address, mailbox.name
    if not name:
        return str(address)
    if _ATOMS.fullmatch(name) and "=?" not in name and len(name) < LINE_CHARACTERS:
        return f"{name} <{address}>"
    words = name.split(" ")
    if name.isascii() and name.isprintable() and "=?" not in name and all(words) and len(name) < LINE_CHARACTERS - 10:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return f"{' '.join(encoded_words(name))} <{address}>"


def encoded_words(text: str) -> list[str]:
    """`text` as encoded words of whole characters, in Q or B, whichever is shorter."""
    octets = text.encode()
    plain = sum(1 for octet in octets if octet in _PLAIN_Q or octet == 0x20)
    use_q = plain + 3 * (len(octets) - plain) <= (len(octets) + 2) // 3 * 4
    room = _ENCODED_WORD_CHARACTERS - len(_PREFIX) - len("q?") - len(_SUFFIX)
    words, current, size = [], b"", 0
    for character in text:
        piece = character.encode()
        cost = sum(1 if o in _PLAIN_Q or o == 0x20 else 3 for o in piece) if use_q else len(piece)
        if size + cost > (room if use_q else room // 4 * 3):
            words.append(_encoded_word(current, use_q))
            current, size = b"", 0
        current += piece
        size += cost
    return [*words, _encoded_word(current, use_q)]


def parameter(name: str, value: str) -> str:
    """`; name=value`, in continuations of RFC 2231 when it is long or not US-ASCII; each on a line of its own."""
    if value.isascii() and value.isprintable() and len(value) <= _PARAMETER_CHARACTERS:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n {name}="{escaped}"'
    pieces, current = [], ""
    for character in value:
        quoted = quote(character, safe="")
        if len(current) + len(quoted) > _PARAMETER_CHARACTERS - 16:
            pieces.append(current)
            current = ""
        current += quoted
    pieces.append(current)
    if len(pieces) == 1:
        return f";\r\n {name}*=utf-8''{pieces[0]}"
    return "".join(f";\r\n {name}*{n}*={'' if n else 'utf-8' + chr(39) * 2}{piece}" for n, piece in enumerate(pieces))


def _encoded_word(octets: bytes, use_q: bool) -> str:
    if not use_q:
        return f"{_PREFIX}b?{base64.b64encode(octets).decode('ascii')}{_SUFFIX}"
    text = "".join("_" if o == 0x20 else chr(o) if o in _PLAIN_Q else f"={o:02X}" for o in octets)
    return f"{_PREFIX}q?{text}{_SUFFIX}"


def _folded(name: str, words: list[str]) -> str:
    line, lines = f"{name}:", []
    for word in words:
        if len(line) + 1 + len(word) > LINE_CHARACTERS and line != f"{name}:":
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line]) + "\r\n"
