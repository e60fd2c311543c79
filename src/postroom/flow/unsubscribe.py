"""Unsubscribe: a link in each message of a list, by which its one recipient leaves that list without signing in.

The link names a row of its own, signed, and no address (S6). Reading it changes nothing; a POST does, as often as it
comes (RFC 8058, S5). Who left gets no more messages of that list; other mail still goes.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from django.conf import settings

from postroom.message.draft import Draft
from postroom.store.models import UnsubscribeLink
from postroom.store.signed_id import UNSUBSCRIBE_TOKENS
from postroom.terms.address import canonical
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from .suppression import Entry, Reason, list_problem, suppress
from .to_draft import DraftRefused

PATH = "/unsubscribe/"
ONE_CLICK = ("List-Unsubscribe", "One-Click")
ACTOR = "recipient"


def unsubscribe_fields(list_name: str, recipient: str, now: datetime) -> tuple[tuple[str, str], ...]:
    """The header fields of a message of the list to this recipient (blocking). Raises DatabaseError.

    Without https there is no List-Unsubscribe-Post, for RFC 8058 section 3.1 asks for it; then the link opens a page.
    """
    url = f"{settings.PUBLIC_URL}{PATH}{UNSUBSCRIBE_TOKENS.token(_link_id(list_name, recipient, now))}"
    fields = (("List-Unsubscribe", f"<{url}>"),)
    return (*fields, ("List-Unsubscribe-Post", "=".join(ONE_CLICK))) if url.startswith("https://") else fields


def of_list(draft: Draft, list_name: str, now: datetime) -> Draft:
    """The draft of a message of that list (blocking). Raises DraftRefused where it can't be left by a link, and
    DatabaseError."""
    errors = [problem] if (problem := list_problem(list_name, "unsubscribe")) is not None else []
    recipients = {canonical(str(mailbox.address)) for mailbox in (*draft.to, *draft.cc, *draft.bcc)}
    if len(recipients) != 1:
        text = worded("A message that can be unsubscribed from has one recipient. Send one message to each.")
        errors.append(FieldError("unsubscribe", "too-many", text))
    for name, _ in draft.headers:
        if name.lower() in ("list-unsubscribe", "list-unsubscribe-post"):
            text = worded("The field unsubscribe writes this one. Leave one of them out.")
            errors.append(FieldError(f"headers.{name}", "twice", text))
    if errors:
        raise DraftRefused(errors)
    return replace(draft, headers=(*draft.headers, *unsubscribe_fields(list_name, recipients.pop(), now)))


def link_of(token: str) -> UnsubscribeLink | None:
    """What a link stands for; None for a token that was not made here, or whose row is gone."""
    id_ = UNSUBSCRIBE_TOKENS.id_of(token)
    return None if id_ is None else UnsubscribeLink.objects.filter(pk=id_).first()


def leave(link: UnsubscribeLink, now: datetime) -> None:
    """The recipient leaves the list; once more changes nothing."""
    entry = Entry(link.address, Reason.UNSUBSCRIBE, link.list_name, "The recipient used the link in a message.")
    suppress([entry], actor=ACTOR, now=now)


def _link_id(list_name: str, recipient: str, now: datetime) -> str:
    """The row of that recipient and list, which is made with the first message."""
    address = canonical(recipient)
    rows = UnsubscribeLink.objects.filter(address=address, list_name=list_name).values_list("pk", flat=True)
    if (found := _first(rows)) is None:
        link = UnsubscribeLink(address=address, list_name=list_name, created_at=now)
        UnsubscribeLink.objects.bulk_create([link], ignore_conflicts=True)
        found = _first(rows.all())
    return found or ""


def _first(ids: Iterable[str]) -> str | None:
    return next(iter(ids), None)
