"""Whom a list of recipients, groups and addresses reaches: each address once, in an order that does not change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from postroom.store.models import GroupMember, Recipient, Subscriber
from postroom.terms.address import canonical

from ..instance.instance import Site, site

_AT_ONCE = 500
_FIELDS = ("pk", "name", "address", "address_key", "language", "time_zone", "values")
Place = Subscriber.Place


@dataclass(frozen=True, slots=True)
class Addressed:
    """One address to write to. `language` and `time_zone` are the recipient's own, else those of the installation;
    `place` is to or bcc; `group_names` are the groups by which it came, in the order of the alphabet."""

    address: str
    address_key: str
    name: str = ""
    language: str = ""
    time_zone: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    place: str = "to"
    group_names: tuple[str, ...] = ()


def addressed(subscribers: Iterable[Subscriber]) -> list[Addressed]:
    """Everybody whom these rows reach, saved or not, sorted by address, those in bcc last (blocking).

    An address that is named several times is there once, and rather in to than in bcc. A plain address of somebody who
    is a recipient gets that recipient's name, language, time zone and values. Raises DatabaseError."""
    gathered, rows = _Gathered(), list(subscribers)
    for place in (Place.TO, Place.BCC):
        gathered.take([row for row in rows if row.place == place], str(place))
    return gathered.in_order(site())


class _Gathered:
    """Addresses by their keys, with what is known of each."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._plain: dict[str, str] = {}
        self._known: dict[str, Recipient] = {}
        self._groups: dict[str, set[str]] = {}

    def take(self, rows: Sequence[Subscriber], place: str) -> None:
        for member, group_name in _members({row.group_id for row in rows if row.group_id}):
            self._take_recipient(member, place)
            self._groups.setdefault(member.address_key, set()).add(group_name)
        for recipient in _recipients("pk", {row.recipient_id for row in rows if row.recipient_id}):
            self._take_recipient(recipient, place)
        for row in rows:
            # A row that was never saved has no text here where none was given.
            if isinstance(row.address, str) and row.address:
                key = canonical(row.address)
                self._plain.setdefault(key, row.address)
                self._places.setdefault(key, place)

    def in_order(self, home: Site) -> list[Addressed]:
        for recipient in _recipients("address_key", set(self._plain) - set(self._known)):
            self._known[recipient.address_key] = recipient
        found = [self._addressed(key, place, home) for key, place in self._places.items()]
        return sorted(found, key=lambda one: (one.place != Place.TO, one.address_key))

    def _take_recipient(self, recipient: Recipient, place: str) -> None:
        self._known[recipient.address_key] = recipient
        self._places.setdefault(recipient.address_key, place)

    def _addressed(self, key: str, place: str, home: Site) -> Addressed:
        recipient = self._known.get(key)
        if recipient is None:
            return Addressed(self._plain[key], key, "", home.language, home.time_zone, {}, place)
        return Addressed(
            recipient.address, key, recipient.name, recipient.language or home.language,
            recipient.time_zone or home.time_zone, recipient.values, place,
            tuple(sorted(self._groups.get(key, ()))),
        )


def _members(group_ids: set[str]) -> Iterable[tuple[Recipient, str]]:
    """Each member of these groups with the group's name."""
    rows = GroupMember.objects.filter(group_id__in=group_ids).select_related("recipient", "group")
    for row in rows.iterator(chunk_size=_AT_ONCE):
        yield row.recipient, row.group.name


def _recipients(column: str, values: Iterable[str]) -> Iterable[Recipient]:
    wanted: Sequence[str] = sorted(values)
    for start in range(0, len(wanted), _AT_ONCE):
        some: Mapping[str, Any] = {f"{column}__in": wanted[start : start + _AT_ONCE]}
        yield from Recipient.objects.filter(**some).only(*_FIELDS)
