"""How a report travels: attached, in the body, zipped, or behind a link. Decided before anything is composed, by the
size that will really leave, in base64 with its line ends, against what the way takes."""

from dataclasses import dataclass
from enum import StrEnum

from postroom.message.encoding import base64_size
from postroom.terms.wording import Wording, worded

# Where neither the server nor a limit says how large a message may be: what most mailboxes take.
USUAL_ROOM_BYTES = 20 * 1024 * 1024
# What stands around the report: header fields, signatures, the borders and heads of parts.
AROUND_BYTES = 8 * 1024
# A table in the body beyond that is cut off by large mailboxes (Gmail clips at 102 KB).
EMBEDDED_BYTES = 90 * 1024


class ReportForm(StrEnum):
    """As a subscription asks for it, and as it is chosen."""

    ATTACH = "attach"
    EMBED = "embed"
    ZIP = "zip"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class ReportSizes:
    """`file_bytes` and `zipped_bytes` (None unless a ZIP was made) before encoding; `embedded_bytes` is the table as
    HTML, None for a report that has none; `body_bytes` is the rest of the message, subject and texts with pictures."""

    file_bytes: int
    body_bytes: int
    zipped_bytes: int | None = None
    embedded_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ChosenForm:
    """`message_bytes` is what leaves for each recipient; `because` says why it is another form than was asked for, ""
    where it is the same."""

    form: ReportForm
    message_bytes: int
    because: str | Wording = ""


class NoForm(Exception):
    """The report fits in no form that is allowed; `text` says so."""

    def __init__(self, text: Wording) -> None:
        super().__init__(str(text))
        self.text = text


def room_bytes(*limits: int | None) -> int:
    """What a message may have in all: the smallest of the limits that are known."""
    return min((limit for limit in limits if limit), default=USUAL_ROOM_BYTES)


def chosen_form(asked: ReportForm, sizes: ReportSizes, room: int, *, link_when_large: bool) -> ChosenForm:
    """The form asked for where it fits; else the nearest that does. Raises NoForm."""
    if asked is ReportForm.LINK:
        return ChosenForm(asked, _around(sizes.body_bytes))
    if asked is ReportForm.EMBED:
        embedded = sizes.embedded_bytes
        whole = _around(sizes.body_bytes + (embedded or 0))
        if embedded is not None and embedded <= EMBEDDED_BYTES and whole <= room:
            return ChosenForm(asked, whole)
        why = _not_embedded(embedded)
        return _attached(ReportForm.ATTACH, sizes.file_bytes, sizes, room, why, link_when_large)
    octets = sizes.zipped_bytes if asked is ReportForm.ZIP and sizes.zipped_bytes is not None else sizes.file_bytes
    return _attached(asked, octets, sizes, room, "", link_when_large)


def _attached(
    form: ReportForm, octets: int, sizes: ReportSizes, room: int, because: str | Wording, link_when_large: bool
) -> ChosenForm:
    whole = _around(sizes.body_bytes) + base64_size(octets)
    if whole <= room:
        return ChosenForm(form, whole, because)
    text = worded("With the report the message would have {size} bytes, and {room} get through.", size=whole, room=room)
    if not link_when_large:
        raise NoForm(text)
    return ChosenForm(ReportForm.LINK, _around(sizes.body_bytes), text)


def _not_embedded(embedded: int | None) -> Wording:
    if embedded is None:
        return worded("The report has no table that could stand in the message.")
    return worded("The table is too long to stand in the message.")


def _around(body_bytes: int) -> int:
    """The message without its report; texts may grow by a third where they are encoded."""
    return base64_size(body_bytes) + AROUND_BYTES
