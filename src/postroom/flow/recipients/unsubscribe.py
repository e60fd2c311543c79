"""Unsubscribe: a link in each message of a list, by which its one recipient leaves that list without signing in.

The link names a row of its own, signed, and no address (S6). Reading it changes nothing; a POST does, as often as it
comes (RFC 8058, S5). Who left gets no more messages of that list; other mail still goes.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings

from postroom.message.draft import Draft
from postroom.store.models import UnsubscribeLink
from postroom.store.signed_id import UNSUBSCRIBE_TOKENS
from postroom.terms.address import AddressProblem, canonical, parse_mailbox
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..messages.to_draft import DraftRefused
from .suppression import Entry, Reason, list_problem, suppress

PATH = "/unsubscribe/"
# What texts are filled in with where they name `leave_url`: whose link it is, is decided when a message is accepted.
LEAVE_PLACE = "https://leave.invalid/this-list"
ONE_CLICK = ("List-Unsubscribe", "One-Click")
ACTOR = "recipient"
_Pair = tuple[str, str]
# Rows are never changed or removed, so that an id once read holds.
_REMEMBERED = 50_000
_AT_ONCE = 500
_known: dict[_Pair, str] = {}


def _fields(url: str) -> tuple[tuple[str, str], ...]:
    """The header fields of a message that can be left. Without https there is no List-Unsubscribe-Post, for RFC 8058
    section 3.1 asks for it; then the link opens a page."""
    fields = (("List-Unsubscribe", f"<{url}>"),)
    return (*fields, ("List-Unsubscribe-Post", "=".join(ONE_CLICK))) if url.startswith("https://") else fields


def _url(list_name: str, recipient: str, now: datetime) -> str:
    return f"{settings.PUBLIC_URL}{PATH}{UNSUBSCRIBE_TOKENS.token(_link_id(list_name, recipient, now))}"


def of_list(draft: Draft, list_name: str, now: datetime) -> Draft:
    """The draft of a message of that list, which `check_list` lets pass, with its recipient's link in header and texts
    (blocking). Raises DatabaseError."""
    url = _url(list_name, _recipients(draft).pop(), now)
    text, html = (body and body.replace(LEAVE_PLACE, url) for body in (draft.text, draft.html))
    return replace(draft, headers=(*draft.headers, *_fields(url)), text=text, html=html)


def check_list(draft: Draft, list_name: str) -> None:
    """Raises DraftRefused where a message of that list can't be left by a link."""
    errors = [problem] if (problem := list_problem(list_name, "unsubscribe")) is not None else []
    if len(_recipients(draft)) != 1:
        text = worded("A message that can be unsubscribed from has one recipient. Send one message to each.")
        errors.append(FieldError("unsubscribe", "too-many", text))
    for name, _ in draft.headers:
        if name.lower() in ("list-unsubscribe", "list-unsubscribe-post"):
            text = worded("The field unsubscribe writes this one. Leave one of them out.")
            errors.append(FieldError(f"headers.{name}", "twice", text))
    if errors:
        raise DraftRefused(errors)


def _recipients(draft: Draft) -> set[str]:
    return {canonical(str(mailbox.address)) for mailbox in (*draft.to, *draft.cc, *draft.bcc)}


def link_of(token: str) -> UnsubscribeLink | None:
    """What a link stands for; None for a token that was not made here, or whose row is gone."""
    id_ = UNSUBSCRIBE_TOKENS.id_of(token)
    return None if id_ is None else UnsubscribeLink.objects.filter(pk=id_).first()


def leave(link: UnsubscribeLink, now: datetime) -> None:
    """The recipient leaves the list; once more changes nothing."""
    entry = Entry(link.address, Reason.UNSUBSCRIBE, link.list_name, "The recipient used the link in a message.")
    suppress([entry], actor=ACTOR, now=now)


def foresee_links(bodies: Iterable[Any], now: datetime) -> None:
    """Have the links of many messages made in one commit, as far as their bodies can be read at a glance (blocking).

    Raises DatabaseError."""
    pairs = {pair for body in bodies if (pair := _pair_in(body)) is not None and pair not in _known}
    if len(pairs) > 1:
        _learn(pairs, now)


def _pair_in(body: Any) -> _Pair | None:
    """Address and list of a message; None where a closer look is needed, or it is of no list."""
    if not isinstance(body, dict):
        return None
    list_name, to = body.get("unsubscribe"), body.get("to")
    to = to[0] if isinstance(to, list) and len(to) == 1 else to
    if not (isinstance(list_name, str) and isinstance(to, str)) or list_problem(list_name, "") is not None:
        return None
    try:
        return canonical(str(parse_mailbox(to).address)), list_name
    except AddressProblem:
        return None


def _link_id(list_name: str, recipient: str, now: datetime) -> str:
    """The row of that recipient and list, which is made with the first message and stays for good."""
    pair = canonical(recipient), list_name
    if pair not in _known:
        _learn({pair}, now)
    return _known[pair]


def _learn(pairs: set[_Pair], now: datetime) -> None:
    """Have a row for each pair, and remember its id."""
    if len(_known) + len(pairs) > _REMEMBERED:
        _known.clear()
    found = _stored(pairs)
    if missing := pairs - set(found):
        rows = [UnsubscribeLink(address=address, list_name=name, created_at=now) for address, name in sorted(missing)]
        UnsubscribeLink.objects.bulk_create(rows, ignore_conflicts=True)
        found |= _stored(missing)
    _known.update(found)


def _stored(pairs: set[_Pair]) -> dict[_Pair, str]:
    found: dict[_Pair, str] = {}
    for list_name in {name for _, name in pairs}:
        addresses = [address for address, name in pairs if name == list_name]
        for start in range(0, len(addresses), _AT_ONCE):
            rows = UnsubscribeLink.objects.filter(
                list_name=list_name, address__in=addresses[start : start + _AT_ONCE]
            )
            found |= {(address, list_name): id_ for address, id_ in rows.values_list("address", "pk")}
    return found
