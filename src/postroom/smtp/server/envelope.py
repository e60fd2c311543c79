"""An envelope as a client said it, with the parameters of its extensions (RFC 1870, 6152, 6531, 3461)."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from postroom.terms.address import AddressProblem, parse_address

from . import replies

_REVERSE = re.compile(rb"FROM:\s?<([^<>\x00-\x20\x7f]*)>(?: +([\x21-\x7e ]*))?", re.IGNORECASE)
_FORWARD = re.compile(rb"TO:\s?<([^<>\x00-\x20\x7f]*)>(?: +([\x21-\x7e ]*))?", re.IGNORECASE)
# RFC 3461 section 4: xtext.
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_NOTIFY = {"SUCCESS", "FAILURE", "DELAY"}
_ENVID_CHARACTERS = 100
_ORCPT_CHARACTERS = 500


class Refusal(Exception):
    """A command that is answered with `reply`."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply.decode("ascii", "replace").rstrip())
        self.reply = reply


class Recipient(NamedTuple):
    """One RCPT: its forward-path, and "" for each parameter that it did not have."""

    path: str
    notify: str = ""
    orcpt: str = ""


@dataclass(slots=True)
class ReceivedEnvelope:
    """`reverse_path` is "" for the null one, and for a name without a domain, as cron jobs have; that is not
    `is_answerable`. `size_bytes` is what the client declared, 0 for nothing.

    `ret` and `envid` are of MAIL, `notify` and `orcpt` of those RCPT that had them, by forward-path (RFC 3461)."""

    reverse_path: str
    size_bytes: int = 0
    is_8bit: bool = False
    is_smtputf8: bool = False
    is_answerable: bool = True
    ret: str = ""
    envid: str = ""
    forward_paths: list[str] = field(default_factory=list)
    notify: dict[str, str] = field(default_factory=dict)
    orcpt: dict[str, str] = field(default_factory=dict)

    def add(self, recipient: Recipient) -> None:
        """A recipient who is accepted: of others nothing is kept."""
        path, notify, orcpt = recipient
        self.forward_paths.append(path)
        if notify:
            self.notify[path] = notify
        if orcpt:
            self.orcpt[path] = orcpt


def envelope_of(argument: bytes) -> ReceivedEnvelope:
    """The envelope that the argument of MAIL opens. Raises Refusal."""
    path, parameters = _parsed(_REVERSE, argument, replies.MAIL_SYNTAX)
    envelope = ReceivedEnvelope("")
    for name, value in parameters:
        _take_mail_parameter(envelope, name, value)
    envelope.is_answerable = b"@" in path or not path
    if b"@" in path:
        envelope.reverse_path = address_of(path, envelope.is_smtputf8)
    return envelope


def recipient_of(argument: bytes, is_smtputf8: bool) -> Recipient:
    """Whom the argument of RCPT names. Raises Refusal."""
    path, parameters = _parsed(_FORWARD, argument, replies.RCPT_SYNTAX)
    recipient = Recipient(address_of(path, is_smtputf8))
    for name, value in parameters:
        recipient = _with_parameter(recipient, name, value)
    return recipient


def address_of(path: bytes, is_smtputf8: bool) -> str:
    """The address as one reader reads it everywhere (P11). Raises Refusal."""
    if not is_smtputf8 and not path.isascii():
        raise Refusal(replies.NEEDS_SMTPUTF8)
    try:
        return str(parse_address(path.decode("utf-8")))
    except UnicodeDecodeError:
        raise Refusal(replies.NOT_UTF8) from None
    except AddressProblem as problem:
        raise Refusal(replies.bad_address(str(problem))) from None


def _parsed(form: re.Pattern[bytes], argument: bytes, syntax: bytes) -> tuple[bytes, list[tuple[str, str]]]:
    match = form.fullmatch(argument)
    if match is None:
        raise Refusal(syntax)
    path, given = match.groups()
    if not given:
        return path, []
    pairs = [word.partition("=") for word in given.decode("ascii").split()]
    if len({name.upper() for name, _, _ in pairs}) != len(pairs):
        raise Refusal(replies.BAD_PARAMETER)
    return path, [(name.upper(), value) for name, _, value in pairs]


def _take_mail_parameter(envelope: ReceivedEnvelope, name: str, value: str) -> None:
    match name, value.upper():
        case "SIZE", _ if value.isdigit() and len(value) <= 20:
            envelope.size_bytes = int(value)
        case "BODY", "7BIT" | "8BITMIME" as kind:
            envelope.is_8bit = kind == "8BITMIME"
        case "SMTPUTF8", "":
            envelope.is_smtputf8 = True
        case "RET", "FULL" | "HDRS" as wanted:
            envelope.ret = wanted
        case "ENVID", _ if value and len(value) <= _ENVID_CHARACTERS and _XTEXT.fullmatch(value):
            envelope.envid = value
        # RFC 4954 section 5: the originator that a trusted relay vouches for; we vouch for nobody.
        case "AUTH", _ if value and _XTEXT.fullmatch(value):
            pass
        case "SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH", _:
            raise Refusal(replies.BAD_PARAMETER)
        case _:
            raise Refusal(replies.UNKNOWN_PARAMETER)


def _with_parameter(recipient: Recipient, name: str, value: str) -> Recipient:
    if name == "NOTIFY":
        wanted = value.upper().split(",")
        if wanted != ["NEVER"] and not _NOTIFY.issuperset(wanted):
            raise Refusal(replies.BAD_PARAMETER)
        return recipient._replace(notify=",".join(wanted))
    if name == "ORCPT":
        kind, _, original = value.partition(";")
        if not kind or not original or len(value) > _ORCPT_CHARACTERS or not _XTEXT.fullmatch(original):
            raise Refusal(replies.BAD_PARAMETER)
        return recipient._replace(orcpt=value)
    raise Refusal(replies.UNKNOWN_PARAMETER)
