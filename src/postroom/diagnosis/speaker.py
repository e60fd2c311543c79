"""Who speaks on a port, judged by the first octets it sent."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Speaker:
    """`name` is a protocol ("SMTP", "HTTP", "TLS", …), "" when the octets are none that we know."""

    name: str

    @property
    def symptoms(self) -> tuple[str, ...]:
        return (f"speaks-{self.name.lower()}",) if self.name else ("speaks-unknown",)


# First fit decides. RFC 9112, RFC 4253 section 4.2, RFC 9051, RFC 1939, RFC 959, RFC 8446 section 5.1, RFC 5321 4.2.
_PATTERNS = (
    ("HTTP", re.compile(rb"\A(HTTP/\d|<!doctype html|<html)", re.IGNORECASE)),
    ("SSH", re.compile(rb"\ASSH-\d")),
    ("IMAP", re.compile(rb"\A\* (OK|PREAUTH|BYE)", re.IGNORECASE)),
    ("Redis", re.compile(rb"\A-(NOAUTH|DENIED|MISCONF|ERR (unknown command|wrong number|max number))", re.IGNORECASE)),
    ("POP3", re.compile(rb"\A(\+OK|-ERR)")),
    ("FTP", re.compile(rb"\A220[ -](?![^\r\n]{0,200}smtp)[^\r\n]{0,200}ftp", re.IGNORECASE)),
    ("LMTP", re.compile(rb"\A220[ -][^\r\n]{0,200}\bLMTP\b", re.IGNORECASE)),
    ("TLS", re.compile(rb"\A[\x14-\x17]\x03[\x00-\x04]")),
    ("LDAP", re.compile(rb"\A0[\x0c-\x84][^\r\n]{0,8}\x02\x01")),
    ("MySQL", re.compile(rb"\A[^\r\n]{3}\x00[\x0a\xff]", re.DOTALL)),
    ("VNC", re.compile(rb"\ARFB \d")),
    ("Sieve", re.compile(rb'\A"IMPLEMENTATION"', re.IGNORECASE)),
    ("NNTP", re.compile(rb"\A20[01] [^\r\n]{0,200}\b(nntp|news)", re.IGNORECASE)),
    ("XMPP", re.compile(rb"\A<\?xml|\A<stream", re.IGNORECASE)),
    ("SMTP", re.compile(rb"\A[2-5]\d\d([ -]|\r?\n)")),
)


def first_lines(octets: bytes, most: int = 3) -> tuple[str, ...]:
    """The first lines of what a peer said, for evidence."""
    lines = octets[:1_000].decode("utf-8", "replace").splitlines()
    return tuple(line for line in lines if line.strip())[:most]


def speaker_of(octets: bytes) -> Speaker:
    """The protocol whose server would begin so."""
    return Speaker(next((name for name, pattern in _PATTERNS if pattern.search(octets[:400])), ""))
