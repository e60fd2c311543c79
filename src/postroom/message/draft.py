"""A message before it is composed: what a client wrote, as values."""

from dataclasses import dataclass, field

from postroom.terms.address import Mailbox


class DraftProblem(ValueError):
    """A draft that can't be composed. `field` is the API's name of the part at fault, such as "subject"."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field
        self.text = text


@dataclass(frozen=True, slots=True)
class Segment:
    """Octets that lie elsewhere, base64 in lines as `encoding.base64_lines` makes them: encoded once, shared by every
    message that carries them. `name` finds them, `size_bytes` is their length, `decoded_bytes` that of the file."""

    name: str
    size_bytes: int
    decoded_bytes: int


@dataclass(frozen=True, slots=True)
class Attachment:
    """Octets with a label. `file_name` is never a path. `content_id` (without angle brackets) is what HTML refers to
    as `cid:…`; `inline` asks the reader to show it in place."""

    file_name: str
    content: bytes | Segment = field(repr=False)
    media_type: str = ""
    content_id: str = ""
    inline: bool = False

    @property
    def size_bytes(self) -> int:
        """The file's length."""
        return self.content.decoded_bytes if isinstance(self.content, Segment) else len(self.content)


@dataclass(frozen=True, slots=True)
class Draft:
    """What becomes a message. Without `text`, the text part is made from `html`; one of them is required.

    `headers` are further fields in order, names and bodies; those that Postroom writes itself are refused. `marks` are
    such fields, which no client can set.
    """

    from_header: Mailbox
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    marks: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()
