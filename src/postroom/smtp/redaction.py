"""What a server echoes of our credentials is taken out of its replies before an event is made of them."""

import base64
import re
from html.entities import codepoint2name

from postroom.terms.reply import Reply

HIDDEN = "[hidden]"
# A shorter secret is taken out only where it stands alone: hiding every "a" would hide the reply and tell the secret.
_ANYWHERE_LENGTH = 4
# Fewer octets of base64 without their edges would also be found in words that have nothing to do with it.
_INNER_LENGTH = 6


def _inner_base64(secret: bytes) -> list[str]:
    """What base64 makes of `secret` inside longer text, for each of its three positions, without the edges."""
    forms = []
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret).decode("ascii")
        start = (0, 2, 3)[before]
        usable = (before + len(secret)) * 8 // 6
        forms.append(encoded[start:usable])
    return forms


class Redaction:
    """Forms of one password: plain, base64 at every position, hexadecimal, each also with characters escaped as in a
    URL, JSON, HTML or xtext; letter case is ignored."""

    def __init__(self, username: str = "", password: str = "") -> None:
        self._pattern = _pattern(username, password) if password else None

    @property
    def hides(self) -> bool:
        """Whether there is anything to hide."""
        return self._pattern is not None

    def text(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def reply(self, reply: Reply) -> Reply:
        if self._pattern is None:
            return reply
        return Reply(reply.code, tuple(self.text(line) for line in reply.lines))

    def octets(self, octets: bytes) -> bytes:
        if self._pattern is None:
            return octets
        return self.text(octets.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _pattern(username: str, password: str) -> re.Pattern[str]:
    """Longest forms first. A server may have cut the spaces around the password before it repeats it."""
    anywhere: set[str] = set()
    alone: set[str] = set()
    for secret in {password, password.strip()} - {""}:
        raw = secret.encode("utf-8", "surrogateescape")
        anywhere |= _whole_base64(username, secret)
        anywhere |= {form for form in _inner_base64(raw) if len(form) >= _INNER_LENGTH}
        if len(raw) >= _ANYWHERE_LENGTH:
            anywhere |= {secret, raw.hex()}
        else:
            alone.add(secret)
    alternatives = [_as_it_is_or_escaped(form) for form in sorted(anywhere, key=len, reverse=True)]
    alternatives += [rf"(?<!\w){re.escape(form)}(?!\w)" for form in sorted(alone)]
    return re.compile("|".join(alternatives), re.IGNORECASE)


def _as_it_is_or_escaped(form: str) -> str:
    plain = re.escape(form)
    escaped = "".join(map(_escapes, form))
    return plain if escaped == plain else f"{plain}|{escaped}"


def _escapes(character: str) -> str:
    """A pattern of one character as texts of any format write it. Atomic: the search never goes back and forth."""
    if character.isascii() and character.isalnum():
        return character
    octets = character.encode("utf-8", "surrogateescape")
    units = character.encode("utf-16-be", "surrogatepass").hex()
    forms = ["".join(f"{mark}{octet:02x}" for octet in octets) for mark in ("%", "+", "=", "\\x")]
    forms += ["".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4)), f"\\{character}"]
    patterns = [*map(re.escape, forms), rf"&\#0*{ord(character)};", rf"&\#x0*{ord(character):x};"]
    patterns.append(f"&{codepoint2name.get(ord(character), 'apos' if character == chr(39) else '#')};")
    patterns += [r"\+"] if character == " " else []
    return f"(?>{'|'.join([*patterns, re.escape(character)])})"


def _whole_base64(username: str, password: str) -> set[str]:
    """What LOGIN, PLAIN and HTTP make of the credentials, with and without padding."""
    texts = (password, f"\0{username}\0{password}", f"{username}\0{username}\0{password}", f"{username}:{password}")
    encoded = {base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii") for text in texts}
    encoded |= {form.rstrip("=") for form in encoded}
    return {form for form in encoded if len(form) >= _ANYWHERE_LENGTH}
