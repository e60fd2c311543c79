"""What may stand in a message's header: field names and bodies, Message-ID, media types, file names (M1, W10).

The standard library refuses a line end in a body but accepts one in a name, so both are judged here.
"""

import re
import unicodedata

from .limits import TEXT_LINE_BYTES
from .wording import worded

# RFC 5322 section 3.6.8: a field name is printable US-ASCII without the colon. No RFC bounds its length.
_NAME = re.compile(r"[!-9;-~]{1,76}")
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}"
_MEDIA_TYPE = re.compile(rf"({_TOKEN})/({_TOKEN})(?:\s*;\s*charset=\"?({_TOKEN})\"?)?")
_ID_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(?:\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*"
_MESSAGE_ID = re.compile(rf"<{_ID_ATOM}@(?:{_ID_ATOM}|\[[!-Z^-~]*\])>")
_MESSAGE_ID_CHARACTERS = 250
_BODY_CHARACTERS = 8_000
FILE_NAME_CHARACTERS = 200

# Fields that Postroom writes itself, that transport agents write, or that decide how the rest is read.
_RESERVED = frozenset(
    {
        "from",
        "sender",
        "to",
        "cc",
        "bcc",
        "reply-to",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "received",
        "return-path",
        "delivered-to",
        "dkim-signature",
        "domainkey-signature",
        "authentication-results",
        "received-spf",
    }
)
_RESERVED_PREFIXES = ("content-", "resent-", "arc-", "x-postroom-")
# Fields whose body has a grammar, in which an encoded word (RFC 2047 section 5) has no place.
_STRUCTURED = frozenset(["in-reply-to", "references", "auto-submitted", "precedence", "importance"])


class HeaderProblem(ValueError):
    """Something that can't stand in a header; the text says what is wrong and what to do."""


def checked_field_name(name: str) -> str:
    """`name`, if a client may set that field. Raises HeaderProblem."""
    if not _NAME.fullmatch(name):
        raise HeaderProblem(worded("A field name has 1 to 76 printable ASCII characters, without spaces and colons."))
    lower = name.lower()
    if lower in _RESERVED or lower.startswith(_RESERVED_PREFIXES):
        raise HeaderProblem(worded(
            "The field {name} is written by Postroom. Leave it out, or use the message's own fields.", name=name
        ))
    return name


def is_structured(name: str) -> bool:
    """Whether the field's body has a grammar, so that it can only be US-ASCII and is never encoded."""
    return name.lower() in _STRUCTURED or name.lower().startswith("list-")


def checked_field_text(text: str) -> str:
    """`text`, if it may be a field's body: no line end, control, Unicode line separator or lone surrogate."""
    if len(text) > _BODY_CHARACTERS:
        raise HeaderProblem(worded("The text is longer than {most} characters. Shorten it.", most=_BODY_CHARACTERS))
    if text.isascii() and text.isprintable():
        return text
    wrong = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")), None)
    if wrong is not None:
        raise HeaderProblem(worded(
            "The text contains a line end or control character (U+{code}). Remove it.", code=f"{ord(wrong):04X}"
        ))
    return text


def checked_structured_text(text: str) -> str:
    """Body of a structured field: US-ASCII, and no word that can't be folded into a line."""
    checked_field_text(text)
    if not text.isascii():
        raise HeaderProblem(worded("This field takes US-ASCII only."))
    if any(len(word) > TEXT_LINE_BYTES - 78 for word in text.split(" ")):
        raise HeaderProblem(
            worded("A word of this field is longer than a line can be ({most} octets).", most=TEXT_LINE_BYTES)
        )
    return text


def is_message_id(text: str) -> bool:
    """Whether `text` is one Message-ID in angle brackets (RFC 5322 section 3.6.4) without comments or quoting."""
    return len(text) <= _MESSAGE_ID_CHARACTERS and _MESSAGE_ID.fullmatch(text) is not None


def checked_media_type(text: str) -> str:
    """A media type that an attachment may have, such as "text/csv" or "text/csv; charset=utf-8"."""
    match = _MEDIA_TYPE.fullmatch(text.strip(" "))
    if match is None:
        raise HeaderProblem(worded("A content type looks like “application/pdf”, with at most a charset after it."))
    kind, subtype, charset = match.group(1).lower(), match.group(2).lower(), match.group(3)
    if kind in ("multipart", "message"):
        raise HeaderProblem(worded(
            "{type} can't be encoded as an attachment. Use application/octet-stream.", type=f"{kind}/{subtype}"
        ))
    return f"{kind}/{subtype}" + (f"; charset={charset.lower()}" if charset else "")


def file_label(text: str) -> str:
    """A file name as a harmless label: no folders, controls, bidi or invisible characters, at most 200 characters."""
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", text))[-1]
    name = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co"))
    name = re.sub(r"\s+", " ", name).strip(" .") if name.strip(" .") else ""
    if len(name) > FILE_NAME_CHARACTERS:
        stem, dot, extension = name.rpartition(".")
        tail = dot + extension if stem and len(extension) <= 16 else ""
        name = name[: FILE_NAME_CHARACTERS - len(tail)] + tail
    return name or "attachment"
