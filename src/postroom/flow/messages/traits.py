"""What delivery rules look at, of a message that is handed in and of one that was accepted."""

from collections.abc import Iterable

from postroom.policy.rules import Traits
from postroom.store.models import Message
from postroom.terms.address import AddressProblem, parse_mailbox, parse_mailboxes

from .submitted import SubmittedMessage


def traits_of(submitted: SubmittedMessage, client_id: str) -> Traits:
    """Of a message before it is composed; an address that can't be read is refused later, and fits nothing here."""
    return Traits(
        purpose=submitted.purpose,
        sender=_sender(submitted.from_ or ""),
        recipient_domains=frozenset(_domains((*submitted.to, *submitted.cc, *submitted.bcc))),
        client=client_id,
        tags=frozenset(submitted.tags),
    )


def traits_again(message: Message, recipient: str, attempts: int) -> Traits:
    """Of one delivery of an accepted message that was tried so often."""
    return Traits(
        purpose=message.purpose, sender=_sender(message.from_header),
        recipient_domains=frozenset((recipient.rpartition("@")[2].lower(),)), client=message.client_id or "",
        tags=frozenset(message.tags), attempts=attempts,
    )


def _sender(text: str) -> str:
    try:
        return str(parse_mailbox(text).address) if text else ""
    except AddressProblem:
        return ""


def _domains(texts: Iterable[str]) -> Iterable[str]:
    for text in texts:
        try:
            yield from (mailbox.address.domain for mailbox in parse_mailboxes(text))
        except AddressProblem:
            yield "."
