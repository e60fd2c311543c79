"""What a server echoes of our credentials is taken out of its replies before an event is made of them."""

import base64
import re
from urllib.parse import quote, quote_plus

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
    """Forms of one password: plain, base64 at every position, URL-encoded, hexadecimal; letter case is ignored."""

    def __init__(self, username: str = "", password: str = "") -> None:
        self._pattern = _pattern(username, password) if password else None

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
    raw = password.encode("utf-8", "surrogateescape")
    exact = {base64.b64encode(raw).decode("ascii")}
    for whole in (f"\0{username}\0{password}", f"{username}\0{username}\0{password}", f"{username}:{password}"):
        exact.add(base64.b64encode(whole.encode("utf-8", "surrogateescape")).decode("ascii"))
    exact |= {form.rstrip("=") for form in exact}
    inner = {form for form in _inner_base64(raw) if len(form) >= _INNER_LENGTH}
    if len(raw) >= _ANYWHERE_LENGTH:
        exact |= inner | {password, quote(raw, safe=""), quote_plus(raw, safe=""), raw.hex()}
        alone: set[str] = set()
    else:
        alone = {password}
    alternatives = [re.escape(form) for form in sorted(exact, key=len, reverse=True) if len(form) >= _ANYWHERE_LENGTH]
    alternatives += [rf"(?<!\w){re.escape(form)}(?!\w)" for form in alone]
    return re.compile("|".join(alternatives), re.IGNORECASE)
