"""What a message over SMTP says to Postroom itself: header fields that are read, obeyed and removed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from postroom.message.raw_field import RawField, RawProblem
from postroom.terms.problem import FieldError, Problem

from .request import checked_key
from .submitted import SubmittedMessage, field_errors

KEY = "idempotency-key"
# Header field to the API's field that means the same.
_FIELDS = {
    "x-postroom-purpose": "purpose", "x-postroom-priority": "priority", "x-postroom-tags": "tags",
    "x-postroom-server": "server", "x-postroom-send-at": "send_at", "x-postroom-expires-at": "expires_at",
}
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,3}")
_LABELS = {api: label for label, api in _FIELDS.items()}


@dataclass(frozen=True, slots=True)
class RawControls:
    """`wishes` holds the API's fields as they were asked for; all the others keep their defaults."""

    wishes: SubmittedMessage
    key: str | None = None


_NONE = RawControls(SubmittedMessage())


def raw_controls(fields: Mapping[str, RawField]) -> RawControls:
    """Read from the fields of `message.raw_header.controls_of`. Raises RawProblem naming the field at fault."""
    if not fields:
        return _NONE
    body: dict[str, object] = {}
    for name, one in fields.items():
        if name in _FIELDS:
            body[_FIELDS[name]] = _value(_FIELDS[name], one.text)
        elif name != KEY:
            raise RawProblem(one.label, "There is no such field; check its spelling.")
    try:
        wishes = SubmittedMessage.model_validate(body)
    except ValidationError as error:
        raise of_field(field_errors(error)[0], fields) from None
    return RawControls(wishes, _key(fields[KEY]) if KEY in fields else None)


def of_field(error: FieldError, fields: Mapping[str, RawField]) -> RawProblem:
    """The API's fault of a field, told of the header field that asked for it."""
    api = error.field.partition(".")[0]
    one = fields.get(_LABELS.get(api, ""))
    return RawProblem(one.label if one is not None else api, error.text)


def _key(one: RawField) -> str:
    try:
        return checked_key(one.text)
    except Problem as problem:
        raise RawProblem(one.label, problem.errors[0].text) from None


def _value(api: str, text: str) -> object:
    if api == "priority":
        return int(text) if _WHOLE_NUMBER.fullmatch(text) else text
    if api == "tags":
        return [tag.strip() for tag in text.split(",") if tag.strip()]
    return text.lower() if api == "purpose" else text
