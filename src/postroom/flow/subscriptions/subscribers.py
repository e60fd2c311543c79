"""Who gets a subscription: recipients, groups and plain addresses as a client names them, and as rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from postroom.smtp.text import printable
from postroom.store.models import Recipient, RecipientGroup, Subscriber, Subscription
from postroom.terms.address import AddressProblem, canonical, parse_address
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

FIELD = "subscribers"
SUBSCRIBERS = 500
KINDS = ("recipient", "group", "address")
PLACES = tuple(str(place) for place in Subscriber.Place)


def subscribers_of(given: Sequence[Mapping[str, Any]], problems: list[FieldError]) -> list[Subscriber]:
    """Rows for {"recipient" | "group": id, address or name, or "address": text, "place": to | bcc}, each once and not
    saved. What can't be taken is added to `problems`."""
    if len(given) > SUBSCRIBERS:
        text = worded("Enter at most {most} recipients and groups. A group takes any number of people.",
                      most=SUBSCRIBERS)
        problems.append(FieldError(FIELD, "too-many", text))
        return []
    found: dict[tuple[str, ...], Subscriber] = {}
    for place, entry in enumerate(given):
        row = _row(entry, f"{FIELD}.{place}", problems)
        if row is not None:
            found.setdefault(key_of(row), row)
    return list(found.values())


def key_of(row: Subscriber) -> tuple[str, ...]:
    """What makes it the same subscriber as another."""
    return row.place, row.recipient_id or "", row.group_id or "", canonical(row.address) if row.address else ""


def subscriber_json(row: Subscriber) -> dict[str, Any]:
    """A subscriber by its API names: exactly one of recipient, group and address is not null."""
    return {
        "recipient": row.recipient_id, "group": row.group_id, "address": row.address or None, "place": str(row.place),
    }


def set_subscribers(subscription: Subscription, wanted: Iterable[Subscriber]) -> None:
    """Have exactly these; rows that stay keep their id. Call it inside the transaction of the change."""
    present = {key_of(row): row for row in subscription.subscribers.all()}
    rows = {key_of(row): row for row in wanted}
    gone = [row.pk for key, row in present.items() if key not in rows]
    Subscriber.objects.filter(pk__in=gone).delete()
    new = [row for key, row in rows.items() if key not in present]
    for row in new:
        row.subscription = subscription
    Subscriber.objects.bulk_create(new)


def read_entry(text: str, place: str = "to") -> dict[str, Any] | None:
    """What a person typed as one entry, named as a client would: a group's name, a recipient's name or address, else an
    address; None where it is none of them."""
    text = text.strip()
    if not text.isprintable():
        return None
    if (group := RecipientGroup.objects.filter(name__iexact=text).first()) is not None:
        return {"group": group.pk, "place": place}
    known = Recipient.objects.filter(address_key=canonical(text)).first()
    if known is None:
        named = list(Recipient.objects.filter(name__iexact=text)[:2])
        known = named[0] if text and len(named) == 1 else None
    if known is not None:
        return {"recipient": known.pk, "place": place}
    try:
        return {"address": str(parse_address(text)), "place": place}
    except AddressProblem:
        return None


def _row(entry: Mapping[str, Any], field: str, problems: list[FieldError]) -> Subscriber | None:
    named = [kind for kind in KINDS if entry.get(kind)]
    if len(named) != 1:
        problems.append(FieldError(field, "invalid", worded("Name exactly one of recipient, group and address.")))
        return None
    kind, value, place = named[0], str(entry[named[0]]), str(entry.get("place") or "to")
    if place not in PLACES:
        problems.append(FieldError(f"{field}.place", "invalid", worded("Choose to or bcc.")))
        return None
    if kind == "address":
        return _of_address(value, place, field, problems)
    find = _of_group if kind == "group" else _of_recipient
    row = find(value, place) if value.isprintable() else None
    if row is None:
        text = worded("There is no group or recipient “{value}”. Add it on the page Recipients, or enter an address.",
                      value=printable(value, 100))
        problems.append(FieldError(field, "not-found", text))
    return row


def _of_address(value: str, place: str, field: str, problems: list[FieldError]) -> Subscriber | None:
    try:
        return Subscriber(address=str(parse_address(value)), place=place)
    except AddressProblem as problem:
        problems.append(FieldError(field, "invalid", str(problem)))
        return None


def _of_group(value: str, place: str) -> Subscriber | None:
    by_name = RecipientGroup.objects.filter(name=value[:100])
    row = RecipientGroup.objects.filter(pk=value[:26]).first() or by_name.first()
    return None if row is None else Subscriber(group=row, address="", place=place)


def _of_recipient(value: str, place: str) -> Subscriber | None:
    by_key = Recipient.objects.filter(address_key=canonical(value[:254]))
    row = Recipient.objects.filter(pk=value[:26]).first() or by_key.first()
    return None if row is None else Subscriber(recipient=row, address="", place=place)
