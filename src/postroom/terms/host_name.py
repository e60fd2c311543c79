"""What an administrator typed as Host Name, understood."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

import idna

_SCHEME = re.compile(r"\A[a-zA-Z][a-zA-Z0-9+.-]*://")
_LABEL = re.compile(r"\A(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")
_PORT = re.compile(r"\A(?P<host>\[[0-9A-Fa-f:.]+\]|[^:]+):(?P<port>\d{1,5})\Z")


@dataclass(frozen=True, slots=True)
class HostReading:
    """`host` is the bare name or address meant, "" when none can be made out; `port` the one written beside it.

    `flaw` names what was wrong with the text: "" or "empty", "space", "scheme", "port", "path", "user", "brackets",
    "trailing-dot", "zone", "invalid".
    """

    host: str
    port: int | None = None
    flaw: str = ""


def host_reading(typed: str) -> HostReading:
    """Read a host field: a bare name or address, or the one inside a URL, a port, spaces or brackets."""
    text, flaw, port = typed.strip(), "", None
    if not text:
        return HostReading("", flaw="empty")
    if text != typed:
        flaw = "space"
    if match := _SCHEME.match(text):
        text, flaw = text[match.end():], "scheme"
    for mark, name in (("/", "path"), ("?", "path"), ("#", "path")):
        if mark in text:
            text, flaw = text.split(mark, 1)[0], flaw or name
    if "@" in text:
        text, flaw = text.rsplit("@", 1)[1], flaw or "user"
    if match := _PORT.match(text):
        text, port, flaw = match["host"], int(match["port"]), flaw or "port"
    if text.startswith("[") and text.endswith("]"):
        text, flaw = re.sub(r"\AIPv6:", "", text[1:-1], flags=re.IGNORECASE), flaw or "brackets"
    if text.endswith(".") and text != ".":
        text, flaw = text[:-1], flaw or "trailing-dot"
    if any(c.isspace() for c in text):
        text, flaw = "".join(text.split()), "space"
    if "%" in text:
        return HostReading("", flaw="zone")
    host = _checked(text)
    return HostReading(host, port, flaw if host else "invalid")


def _checked(text: str) -> str:
    """The host name as A-labels or the address in its usual form; "" when it is neither."""
    try:
        address = ip_address(text)
    except ValueError:
        pass
    else:
        return address.compressed if isinstance(address, IPv6Address) else str(address)
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True).decode()
        except idna.IDNAError:
            return ""
    labels = text.split(".")
    if len(text) > 253 or not all(_LABEL.match(label) for label in labels):
        return ""
    # An all-digit last label is a mistyped IPv4 address, and no top-level domain (RFC 3696 section 2).
    return "" if labels[-1].isdigit() else text
