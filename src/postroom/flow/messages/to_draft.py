"""From what a client submitted to a draft: addresses read, From policy and Subject Prefix of the server applied."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from postroom.message.compose import prefixed_subject
from postroom.message.draft import Attachment, Draft
from postroom.terms.address import AddressProblem, Mailbox, checked_name, parse_address, parse_mailbox, parse_mailboxes
from postroom.terms.problem import FieldError
from postroom.terms.server import FromPolicy, ServerSettings
from postroom.terms.wording import worded

from .attached import Attached, AttachmentsRefused
from .submitted import SubmittedMessage


class DraftRefused(Exception):
    """The submitted message can't become a draft; `errors` name every field at fault."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(", ".join(error.field for error in errors))
        self.errors = tuple(errors)


def draft_of(submitted: SubmittedMessage, settings: ServerSettings, attached: Attached) -> Draft:
    """The draft to compose. Raises DraftRefused, and OSError where `attached` stores files."""
    errors: list[FieldError] = []
    to, cc, bcc, reply_to = (
        _mailboxes(key, texts, parse_mailboxes, errors) if texts else ()
        for key, texts in (
            ("to", submitted.to), ("cc", submitted.cc), ("bcc", submitted.bcc), ("reply_to", submitted.reply_to)
        )
    )
    given = _mailboxes("from", [submitted.from_], _one, errors) if submitted.from_ else ()
    if not (submitted.to or submitted.cc or submitted.bcc):
        errors.append(FieldError("to", "required", worded("Enter at least one recipient in to, cc or bcc.")))
    if submitted.text is None and submitted.html is None:
        errors.append(FieldError("text", "required", worded("Enter a body: text, html or both.")))
    if submitted.headers:
        errors += _twice(submitted.headers)
    sender, answer_to = _sender(settings, given[0] if given else None, reply_to, errors)
    attachments = _attachments(submitted, attached, errors) if submitted.attachments else ()
    if errors or sender is None:
        raise DraftRefused(errors)
    return Draft(
        from_header=sender,
        to=to,
        cc=cc,
        bcc=bcc,
        reply_to=answer_to,
        subject=prefixed_subject(settings.subject_prefix, submitted.subject),
        text=submitted.text,
        html=submitted.html,
        headers=tuple((name, text) for name, text in submitted.headers.items() if name.lower() != "message-id"),
        attachments=attachments,
    )


def _attachments(
    submitted: SubmittedMessage, attached: Attached, errors: list[FieldError]
) -> tuple[Attachment, ...]:
    try:
        return () if errors else attached.attachments(submitted.attachments)
    except AttachmentsRefused as refusal:
        errors += refusal.errors
        return ()


def _twice(headers: Mapping[str, str]) -> list[FieldError]:
    """Names that differ in their capitals only are the same field."""
    seen: set[str] = set()
    again = [name for name in headers if name.lower() in seen or seen.add(name.lower())]  # type: ignore[func-returns-value]
    return [FieldError(f"headers.{name}", "twice", worded("This field is there twice. Keep one.")) for name in again]


def _one(text: str) -> list[Mailbox]:
    return [parse_mailbox(text)]


def _mailboxes(
    key: str, texts: Sequence[str], read: Callable[[str], list[Mailbox]], errors: list[FieldError]
) -> tuple[Mailbox, ...]:
    mailboxes: list[Mailbox] = []
    for place, text in enumerate(texts):
        try:
            mailboxes += read(text)
        except AddressProblem as problem:
            field = key if len(texts) == 1 else f"{key}.{place}"
            errors.append(FieldError(field, "invalid", str(problem)))
    return tuple(mailboxes)


@lru_cache(64)
def _own(address: str, name: str) -> Mailbox:
    return Mailbox(parse_address(address), checked_name(name))


def _sender(
    settings: ServerSettings, given: Mailbox | None, reply_to: tuple[Mailbox, ...], errors: list[FieldError]
) -> tuple[Mailbox | None, tuple[Mailbox, ...]]:
    """From and Reply-To by the server's From policy (design: "From")."""
    if settings.from_policy is FromPolicy.CLIENT and given is not None:
        return given, reply_to
    try:
        own = _own(settings.from_address, settings.from_name)
    except AddressProblem as problem:
        text = worded(
            "The server's own From Address can't be used: {problem} An administrator corrects it.", problem=problem.text
        )
        errors.append(FieldError("server", "invalid", text))
        return None, reply_to
    return own, reply_to or ((given,) if given is not None and given.address != own.address else ())
