"""One strict reader of addresses and mailboxes (RFC 5321 section 4.1.2, RFC 5322 section 3.4, RFC 6531, RFC 5891).

What two readers could read differently is refused: comments, groups, routes, encoded words, quoted local parts with
anything beyond atoms and dots. Headers and envelope are both made from what is read here, so that they agree (P11).
"""

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import idna

from .limits import ADDRESS_BYTES, DOMAIN_BYTES, LOCAL_PART_BYTES
from .wording import Wording, worded

_ATEXT = r"A-Za-z0-9!#$%&'*+\-/=?^_`{|}~"
_DOT_ATOM = re.compile(rf"[{_ATEXT}\x80-\U0010FFFF]+(?:\.[{_ATEXT}\x80-\U0010FFFF]+)*")
_QUOTED = re.compile(rf'"[{_ATEXT}.]+"')
# What nearly every address looks like; nothing in it can be read in two ways.
_PLAIN = re.compile(
    r"([A-Za-z0-9_+-]{1,48}(?:\.[A-Za-z0-9_+-]{1,15}){0,1})"
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,63})"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ENCODED_WORD = re.compile(r"=\?[^?\s]*\?[^?\s]*\?")
# Separators, controls, format characters (bidi among them), surrogates, private and unassigned code points.
_INVISIBLE = {"Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"}
# RFC 3490 section 3.1 takes these for dots between labels; mail software does not.
_OTHER_DOTS = "\u3002\uff0e\uff61"
_FINE_IN_NAMES = " \u00a0\u200d"
_DISPLAY_NAME_CHARACTERS = 200
_ASCII_LOWER = {ord(c): c.lower() for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_EXAMPLE = worded("Enter an address such as name@example.com.")
_QUOTED_FORM = worded('Enter it as: "Name" <name@example.com>.')


class AddressProblem(ValueError):
    """An address that isn't accepted: `text` says what is wrong, `remedy` what to enter; as a str it is both."""

    def __init__(self, text: Wording, remedy: Wording = _EXAMPLE) -> None:
        super().__init__(text, remedy)
        self.text = text
        self.remedy = remedy

    def __str__(self) -> str:
        return self.text.followed_by(self.remedy)


@dataclass(frozen=True, slots=True)
class Address:
    """A bare address. `domain` is lower case, with A-labels or as an address literal; `local_part` is in NFC."""

    local_part: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether it can travel only with SMTPUTF8 (RFC 6531); the domain never is the reason."""
        return not self.local_part.isascii()


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address with the display name that stands before it in a header ("" for none)."""

    address: Address
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else str(self.address)


def written(address: str, name: str = "") -> str:
    """The mailbox as `parse_mailbox` reads it again, whatever stands in its name."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>' if name else address


def parse_address(text: str) -> Address:
    """The address that `text` is; no display name, no angle brackets. Raises AddressProblem."""
    text = text.strip(" ")
    plain = _PLAIN.fullmatch(text)
    if plain is not None and len(text) <= ADDRESS_BYTES and "xn--" not in (domain := plain[2].lower()):
        return Address(plain[1], domain)
    if not text:
        raise AddressProblem(worded("The address is empty."))
    if "<" in text or ">" in text:
        raise AddressProblem(worded("Only the bare address belongs here, without a name and angle brackets."))
    if any(unicodedata.category(c) in _INVISIBLE for c in text):
        raise AddressProblem(
            worded("The address contains a space, a line end or an invisible character."), worded("Remove it.")
        )
    local_part, at, domain = text.rpartition("@")
    if not at:
        raise AddressProblem(worded("“{text}” has no @.", text=_shown(text)))
    address = Address(_local_part(local_part), _domain(domain))
    if len(str(address).encode()) > ADDRESS_BYTES:
        raise AddressProblem(
            worded("The address is longer than {most} octets.", most=ADDRESS_BYTES), worded("Enter a shorter one.")
        )
    return address


def canonical(address: str) -> str:
    """The one form under which a bare address is remembered: as `parse_address` gives it, US-ASCII letters in lower
    case. Local parts that differ in capitals only are one mailbox in practice (RFC 5321 section 2.4 allows otherwise).
    """
    return address.translate(_ASCII_LOWER)


def parse_mailbox(text: str) -> Mailbox:
    """The one mailbox that `text` is: `name@example.com`, `Name <name@example.com>`, `"Name, Other" <…>`."""
    text = text.strip(" ")
    if not text.endswith(">"):
        return Mailbox(parse_address(text))
    name, bracket, inner = text[:-1].rpartition("<")
    if not bracket:
        raise AddressProblem(worded("There is a “>” without its “<”."), worded("Enter it as: Name <name@example.com>."))
    return Mailbox(parse_address(inner), _display_name(name.strip(" ")))


def parse_mailboxes(text: str) -> list[Mailbox]:
    """The mailboxes of a list separated by commas; commas inside quotation marks belong to a name."""
    return [parse_mailbox(part) for part in (_split_at_commas(text) if "," in text else (text,))]


def checked_name(name: str) -> str:
    """A display name that may stand in a header, in NFC. Raises AddressProblem."""
    if name.isascii() and name.isprintable() and len(name) <= _DISPLAY_NAME_CHARACTERS and "=?" not in name:
        return name
    name = unicodedata.normalize("NFC", name)
    if len(name) > _DISPLAY_NAME_CHARACTERS:
        raise AddressProblem(
            worded("The name is longer than {most} characters.", most=_DISPLAY_NAME_CHARACTERS), worded("Shorten it.")
        )
    if any(unicodedata.category(c) in _INVISIBLE and c not in _FINE_IN_NAMES for c in name):
        raise AddressProblem(
            worded("The name contains a line end, a control or an invisible character."), worded("Remove it.")
        )
    if _ENCODED_WORD.search(name):
        raise AddressProblem(
            worded("The name contains an encoded word (=?…?=)."), worded("Write the name in plain text.")
        )
    return name


def _local_part(text: str) -> str:
    if _QUOTED.fullmatch(text):
        inner = text[1:-1]
        text = inner if _DOT_ATOM.fullmatch(inner) else text
    elif text.startswith('"') or '"' in text or "\\" in text:
        raise AddressProblem(worded("The part before @ is quoted in a way that mail servers read differently."))
    elif "(" in text or ")" in text:
        raise AddressProblem(
            worded("Comments aren't allowed in an address."), worded("Remove the brackets and their text.")
        )
    elif not text:
        raise AddressProblem(worded("There is nothing before the @."))
    elif not _DOT_ATOM.fullmatch(text):
        raise AddressProblem(
            worded("“{text}” can't stand before the @: {fault}.", text=_shown(text), fault=_local_fault(text))
        )
    if _ENCODED_WORD.search(text):
        raise AddressProblem(worded("The part before @ looks like an encoded word (=?…?=)."))
    text = unicodedata.normalize("NFC", text)
    if len(text.encode()) > LOCAL_PART_BYTES:
        raise AddressProblem(
            worded("The part before @ is longer than {most} octets.", most=LOCAL_PART_BYTES),
            worded("Enter a shorter address."),
        )
    return text


def _local_fault(text: str) -> Wording:
    if "@" in text:
        return worded("there is more than one @")
    if text.startswith(".") or text.endswith(".") or ".." in text:
        return worded("it starts or ends with a dot, or has two dots in a row")
    wrong = next((c for c in text if not _DOT_ATOM.fullmatch(c) and c != "."), "?")
    return worded("the character {character} isn't allowed", character=wrong)


def _domain(text: str) -> str:
    if not text:
        raise AddressProblem(worded("There is nothing after the @."))
    if text.startswith("["):
        return _literal(text)
    if any(dot in text for dot in _OTHER_DOTS):
        raise AddressProblem(
            worded("The domain has a dot of another script."), worded("Use the full stop (.) instead.")
        )
    if text.endswith("."):
        raise AddressProblem(worded("The domain ends with a dot."), worded("Remove the last dot."))
    try:
        name = unicodedata.normalize("NFC", text).lower()
        name = name if name.isascii() else idna.encode(name).decode("ascii")
        labels = name.split(".")
        if any(label.startswith("xn--") for label in labels):
            idna.decode(name)
    except (idna.IDNAError, UnicodeError):
        raise AddressProblem(worded("“{text}” isn't a domain name (RFC 5891).", text=_shown(text))) from None
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressProblem(
            worded("“{text}” isn't a domain name: it has letters, digits and inner hyphens.", text=_shown(text))
        )
    if len(name) > DOMAIN_BYTES - 2:
        raise AddressProblem(worded("The domain is longer than 253 characters."), worded("Enter a shorter one."))
    if len(labels) > 1 and labels[-1].isdigit():
        raise AddressProblem(
            worded("An IP address after @ needs square brackets."), worded("Enter it as name@[{name}].", name=name)
        )
    return name


def _literal(text: str) -> str:
    inner = text[1:-1] if text.endswith("]") else ""
    try:
        if inner.lower().startswith("ipv6:") and "%" not in inner:
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:]).compressed}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError:
        problem = worded("“{text}” isn't an address literal.", text=_shown(text))
        raise AddressProblem(problem, worded("Enter [192.0.2.1] or [IPv6:2001:db8::1].")) from None


def _display_name(text: str) -> str:
    if text.startswith('"'):
        return checked_name(_unquoted(text))
    wrong = next((c for c in text if c in '<>",;:@()\\[]'), None)
    if wrong is not None:
        raise AddressProblem(
            worded("The name contains {character} outside quotation marks.", character=wrong), _QUOTED_FORM
        )
    return checked_name(text)


def _unquoted(text: str) -> str:
    if not re.fullmatch(r'"(?:[^"\\]|\\.)*"', text, re.DOTALL):
        raise AddressProblem(worded("The quotation marks of the name aren't closed."), _QUOTED_FORM)
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def _split_at_commas(text: str) -> Iterator[str]:
    start, quoted, escaped = 0, False, False
    for place, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\" and quoted:
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def _shown(text: str) -> str:
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return printable if len(printable) <= 80 else printable[:79] + "…"
