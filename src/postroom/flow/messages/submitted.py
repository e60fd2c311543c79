"""What a client may submit: the body of `POST /api/v1/messages`. Types are strict, unknown fields are refused (W11)."""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    WithJsonSchema,
)

from postroom.message.text_of_html import HTML_CHARACTERS
from postroom.terms.problem import FieldError

RECIPIENTS = 1_000
ATTACHMENTS = 100
BATCH = 1_000
_BLOCK_CHARACTERS = 1024 * 1024
# What no text of PostgreSQL holds, and no UTF-8: NUL, and halves of characters, which JSON can write as escapes.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_VALUE_CHARACTERS = 1_000


def _aware_time(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError('enter a time as text, such as "2027-01-31T08:00:00Z"')  # noqa: TRY004 - pydantic's contract
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("enter a time of ISO 8601, such as 2027-01-31T08:00:00Z") from None
    if at.tzinfo is None:
        raise ValueError("add the zone, such as Z or +01:00")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("enter a time that is in the calendar in every zone") from None


def _octets(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("enter base64 as text")  # noqa: TRY004 - pydantic's contract
    try:
        return _decoded(value)
    except (binascii.Error, ValueError):
        raise ValueError("enter base64 (RFC 4648) without line ends") from None


def _decoded(text: str) -> bytes:
    """In blocks, between which other threads run. Raises ValueError."""
    blocks = [text[at : at + _BLOCK_CHARACTERS] for at in range(0, len(text), _BLOCK_CHARACTERS)]
    if len(text) % 4 or any(block.endswith("=") for block in blocks[:-1]):
        raise ValueError("it ends too soon, or there is more after its end")
    return b"".join([base64.b64decode(block, validate=True) for block in blocks])


def _listed(value: object) -> list[str]:
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise ValueError("enter an address as text, or a list of them")
    if len(entries) > RECIPIENTS or sum(map(len, entries)) > RECIPIENTS * 500:
        raise ValueError(f"enter at most {RECIPIENTS} addresses")
    return entries


def _storable(text: str) -> str:
    if _UNSTORABLE.search(text):
        raise ValueError("leave out the character NUL and halves of characters (lone surrogates)")
    return text


def _plain_value(value: object) -> str | int | float | bool | None:
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError("enter text, a number, true or false")
    if len(str(value)) > _VALUE_CHARACTERS:
        raise ValueError(f"shorten it to at most {_VALUE_CHARACTERS} characters")
    return _storable(value) if isinstance(value, str) else value


Time = Annotated[datetime, BeforeValidator(_aware_time), WithJsonSchema({"type": "string", "format": "date-time"})]
Octets = Annotated[bytes, BeforeValidator(_octets), WithJsonSchema({"type": "string", "format": "byte"})]
_TEXT_OR_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": RECIPIENTS}]}
Mailboxes = Annotated[list[str], BeforeValidator(_listed), WithJsonSchema(_TEXT_OR_TEXTS)]
_PLAIN = {"type": ["string", "number", "boolean", "null"], "maxLength": _VALUE_CHARACTERS}
PlainValue = Annotated[str | int | float | bool | None, PlainValidator(_plain_value), WithJsonSchema(_PLAIN)]
PlainName = Annotated[StrictStr, AfterValidator(_storable)]
Label = Annotated[PlainName, Field(min_length=1, max_length=100)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


class SubmittedAttachment(_Strict):
    """A file sent along: `content_base64`, or the `blob` of an upload. Its name is a label: folders, controls and
    invisible characters are dropped from it."""

    filename: Annotated[StrictStr, Field(max_length=1_000)] = "attachment"
    content_type: Annotated[StrictStr, Field(max_length=200, description="Guessed from the name when empty.")] = ""
    content_base64: Octets | None = None
    content_id: Annotated[StrictStr, Field(max_length=200, description="What HTML refers to as cid:…")] = ""
    inline: StrictBool = False
    blob: Annotated[
        StrictStr | None, Field(max_length=100, description="The id that POST /api/v1/blobs answered.")
    ] = None


class SubmittedMessage(_Strict):
    """A message to send. Needed are `to` (or `cc`, `bcc`) and a body: `text`, `html` or both."""

    from_: Annotated[
        StrictStr | None,
        Field(alias="from", max_length=1_000, description="Used as the server's From policy says."),
    ] = None
    to: Mailboxes = Field(default_factory=list, description='"Name <name@example.com>", a list, or text with commas.')
    cc: Mailboxes = Field(default_factory=list)
    bcc: Mailboxes = Field(default_factory=list, description="In the envelope only, never in the message.")
    reply_to: Mailboxes = Field(default_factory=list)
    subject: Annotated[StrictStr, Field(max_length=998)] = ""
    text: Annotated[StrictStr | None, Field(description="Made from html when missing.")] = None
    html: Annotated[
        StrictStr | None, Field(description=f"With over {HTML_CHARACTERS:,} characters it needs a text along with it.")
    ] = None
    headers: dict[StrictStr, StrictStr] = Field(
        default_factory=dict, max_length=100, description="Further header fields. A valid Message-ID is kept."
    )
    attachments: list[SubmittedAttachment] = Field(default_factory=list, max_length=ATTACHMENTS)
    purpose: Literal["notification", "report", "communication", "alert"] = "notification"
    priority: Annotated[StrictInt, Field(ge=-10, le=10, description="Higher goes first.")] = 0
    send_at: Time | None = None
    expires_at: Annotated[
        Time | None,
        Field(
            description="Not sent after that. When missing: one day after send_at for alert, four for communication,"
            " else two."
        ),
    ] = None
    server: Annotated[StrictStr | None, Field(max_length=100, description="Name or id of an SMTP server.")] = None
    unsubscribe: Annotated[
        StrictStr | None,
        Field(max_length=100, description="The list that the one recipient can leave by a link in the header."),
    ] = None
    tags: list[Label] = Field(default_factory=list, max_length=20)
    metadata: dict[Label, PlainValue] = Field(
        default_factory=dict, max_length=50, description="Kept with the message, never sent."
    )
    template: Annotated[
        StrictStr | None,
        Field(max_length=64, description="Name or id of a template, in place of text, html and a missing subject."),
    ] = None
    data: Annotated[
        dict[StrictStr, Any] | None, Field(max_length=1_000, description="Values by name for the template.")
    ] = None


def field_errors(error: ValidationError, prefix: str = "") -> list[FieldError]:
    """Each fault of a validation by the field's API name; what was entered is not repeated."""
    found: dict[str, FieldError] = {}
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        field = prefix + ".".join(str(part) for part in fault["loc"])
        found.setdefault(field, field_error(field, fault["type"], fault["msg"]))
    return list(found.values())


def field_error(field: str, kind: str, message: str) -> FieldError:
    """A fault of a validation in our words; `kind` and `message` are the library's type and text of it."""
    code = {"extra_forbidden": "unknown", "missing": "required"}.get(kind, "invalid")
    text = _TEXTS.get(kind, message.removeprefix("Value error, ")).rstrip(".")
    return FieldError(field, code, f"{text[:1].upper()}{text[1:]}.")


_TEXTS = {
    "extra_forbidden": "There is no such field here; check its spelling",
    "missing": "This field is needed",
    "string_type": "Enter text",
    "bool_type": "Enter true or false",
    "int_type": "Enter a whole number",
    "model_type": "Enter a JSON object",
    "dict_type": "Enter a JSON object",
    "list_type": "Enter a list",
}
