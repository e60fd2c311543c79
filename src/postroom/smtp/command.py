"""Command lines (RFC 5321 section 4.1) from values that are refused when they could end or extend the line.

Everything here raises ValueError before an octet exists: CR, LF, NUL, other controls, what could be read as a
parameter, lines longer than allowed. The messages never repeat the value.
"""

import re
from collections.abc import Sequence

from postroom.terms.limits import AUTH_LINE_BYTES, COMMAND_LINE_BYTES

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_EHLO_NAME = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[A-Za-z0-9.:-]{1,80}\])\Z")
# What nearly every address looks like: nothing in it could end or extend a command.
_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}\Z")
_QUOTED = re.compile(r'\A"(?:[^"\\]|\\.)*"(?=@)')
# RFC 1870, 6152, 6531: SIZE adds 26 octets to the limit of MAIL, BODY 17, SMTPUTF8 10 and longer paths.
_PARAMETER_BYTES = 512


def _line(text: str, limit: int = COMMAND_LINE_BYTES) -> bytes:
    if _CONTROL.search(text):
        raise ValueError("a command may not hold control characters or line breaks")
    octets = text.encode("utf-8") + b"\r\n"
    if len(octets) > limit:
        raise ValueError(f"a command line may not be longer than {limit} octets")
    return octets


def _path(address: str) -> str:
    """The address between its angle brackets; raises ValueError when it could end the path early."""
    if _CONTROL.search(address):
        raise ValueError("an address may not hold control characters or line breaks")
    unquoted = _QUOTED.sub("", address)
    if any(character in unquoted for character in '<> "\\'):
        raise ValueError("an address may not hold a space, quote or angle bracket outside a quoted local part")
    return f"<{address}>"


def ehlo(name: str, verb: str = "EHLO") -> bytes:
    if not _EHLO_NAME.match(name):
        raise ValueError("the EHLO name must be a host name or an address literal such as [192.0.2.1]")
    return _line(f"{verb} {name}")


def mail(reverse_path: str, parameters: Sequence[str] = ()) -> bytes:
    """MAIL with its parameters, which are of our own making."""
    if _PLAIN.match(reverse_path):
        return " ".join((f"MAIL FROM:<{reverse_path}>", *parameters)).encode("ascii") + b"\r\n"
    limit = COMMAND_LINE_BYTES + _PARAMETER_BYTES
    return _line(" ".join((f"MAIL FROM:{_path(reverse_path)}", *parameters)), limit)


def rcpt(forward_path: str) -> bytes:
    if _PLAIN.match(forward_path):
        return b"RCPT TO:<%s>\r\n" % forward_path.encode("ascii")
    if not forward_path:
        raise ValueError("a forward-path may not be empty")
    return _line(f"RCPT TO:{_path(forward_path)}", COMMAND_LINE_BYTES + _PARAMETER_BYTES)


def auth(mechanism: str, initial: str | None) -> bytes:
    """AUTH with its initial response in base64 (RFC 4954 section 4), "=" for an empty one."""
    return _line(f"AUTH {mechanism}" if initial is None else f"AUTH {mechanism} {initial or '='}", AUTH_LINE_BYTES)


def auth_answer(answer: str) -> bytes:
    return _line(answer, AUTH_LINE_BYTES)


def bdat(size_bytes: int, *, last: bool) -> bytes:
    """The command before a chunk of so many octets (RFC 3030 section 2)."""
    return b"BDAT %d%s\r\n" % (size_bytes, b" LAST" if last else b"")


DATA = b"DATA\r\n"
RSET = b"RSET\r\n"
QUIT = b"QUIT\r\n"
STARTTLS = b"STARTTLS\r\n"
CANCEL = b"*\r\n"


def shown(octets: bytes) -> str:
    """A command as the trace shows it: without its line end."""
    return octets.removesuffix(b"\r\n").decode("utf-8", "replace")
