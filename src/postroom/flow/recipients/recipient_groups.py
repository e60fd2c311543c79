"""Groups of recipients: add, change, remove and put back, and who is in them. Each change is audited with it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from postroom.store import audit
from postroom.store.models import AuditEntry, GroupMember, Recipient, RecipientGroup, Subscriber, Subscription
from postroom.terms.address import AddressProblem, canonical, parse_mailbox
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible, SettingsRefused
from .recipient_values import Person, checked_person

NAME_CHARACTERS = 100
DESCRIPTION_CHARACTERS = 300
ENTRIES = 2_000
GROUPS = 1_000
_AT_ONCE = 500
# One entry: anything but separators, or what is within quotation marks on one line.
_ENTRY = re.compile(r"(?:\"[^\"\r\n]*\"|[^,;\r\n])+")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Joined:
    """What adding to a group did: how many became members, how many of those were not recipients before."""

    members: int = 0
    recipients: int = 0


def entries_in(typed: str) -> list[str]:
    """Addresses that a person typed or pasted: one on a line, or with commas or semicolons between."""
    return [entry.strip() for entry in _ENTRY.findall(typed) if entry.strip()]


def add_group(
    given: Mapping[str, Any], actor: str, members: Sequence[str] = ()
) -> tuple[RecipientGroup, Joined]:
    """A new group with these members: ids of recipients, addresses, or mailboxes such as Ann <ann@example.org>; who is
    no recipient yet becomes one. Raises SettingsRefused naming each field at fault, NotPossible."""
    with transaction.atomic():
        if RecipientGroup.objects.count() >= GROUPS:
            raise NotPossible(worded("There are {most} groups already. Remove one first.", most=GROUPS))
        row = RecipientGroup()
        _set(row, given)
        found, new = _people(members)
        row.save()
        joined = _join(row, found, new)
        audit.record(actor, "group.add", row.name, {"group": group_json(row), "members": joined.members})
    return row, joined


def change_group(group_id: str, given: Mapping[str, Any], actor: str) -> RecipientGroup:
    """Change the fields that are given. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        row = _present(group_id)
        before = group_json(row)
        _set(row, given)
        row.save()
        audit.record_change(actor, "group.change", row.name, before, group_json(row))
    return row


def add_members(group_id: str, members: Sequence[str], actor: str) -> Joined:
    """Members as in `add_group`; who is one already stays. Raises SettingsRefused naming `members`, NotPossible."""
    with transaction.atomic():
        row = _present(group_id)
        joined = _join(row, *_people(members))
        if joined.members:
            audit.record(actor, "group.members", row.name, {"added": joined.members, "new": joined.recipients})
    return joined


def remove_members(group_id: str, recipient_ids: Sequence[str], actor: str) -> int:
    """How many left the group; they stay recipients. Raises NotPossible."""
    with transaction.atomic():
        row = _present(group_id)
        leaving = GroupMember.objects.filter(group=row, recipient_id__in=list(recipient_ids)[:_AT_ONCE])
        addresses = sorted(leaving.values_list("recipient__address", flat=True))
        leaving.delete()
        if addresses:
            audit.record(actor, "group.members", row.name, {"removed": addresses})
    return len(addresses)


def remove_group(group_id: str, actor: str) -> str:
    """Remove it, from subscriptions too; its members stay recipients. The id under which `put_back_group` finds it.
    Raises NotPossible."""
    with transaction.atomic():
        row = _present(group_id)
        kept = {
            "id": row.pk, **group_json(row),
            "members": list(row.memberships.order_by("pk").values_list("recipient_id", flat=True)),
            "subscribed": [
                {"subscription": one.subscription_id, "place": one.place} for one in row.subscribed.order_by("pk")
            ],
        }
        entry = audit.record(actor, "group.remove", row.name, {"removed": kept})
        row.delete()
    return entry.pk


def put_back_group(removal: str, actor: str) -> RecipientGroup:
    """Undo a removal: the group with the members that are still recipients. Raises NotPossible."""
    with transaction.atomic():
        entry = AuditEntry.objects.filter(pk=removal[:26], action="group.remove").first()
        kept: Mapping[str, Any] = entry.changes["removed"] if entry is not None else {"id": "", "name": ""}
        taken = RecipientGroup.objects.filter(pk=kept["id"]) | RecipientGroup.objects.filter(name=kept["name"])
        if entry is None or taken.exists():
            raise NotPossible(worded("A group of this name is there again already."))
        row = RecipientGroup.objects.create(pk=kept["id"], name=kept["name"], description=kept["description"])
        _join(row, _recipients("pk", kept["members"]), [])
        wanted = [one["subscription"] for one in kept["subscribed"]]
        present = set(Subscription.objects.filter(pk__in=wanted).values_list("pk", flat=True))
        Subscriber.objects.bulk_create(
            Subscriber(subscription_id=one["subscription"], group=row, place=one["place"])
            for one in kept["subscribed"] if one["subscription"] in present
        )
        audit.record(actor, "group.put-back", row.name)
    return row


def group_json(row: RecipientGroup) -> dict[str, Any]:
    return {"name": row.name, "description": row.description}


def _set(row: RecipientGroup, given: Mapping[str, Any]) -> None:
    problems = []
    before = {"name": "", "description": ""} if row._state.adding else group_json(row)
    row.name = str(given.get("name", before["name"]) or "").strip()
    row.description = str(given.get("description", before["description"]) or "").strip()
    # In a file of recipients a semicolon stands between two groups.
    if not row.name or len(row.name) > NAME_CHARACTERS or not row.name.isprintable() or ";" in row.name:
        text = worded(
            "Enter a name of 1 to {most} characters without a semicolon, such as Regional managers.",
            most=NAME_CHARACTERS,
        )
        problems.append(FieldError("name", "invalid", text))
    elif RecipientGroup.objects.filter(name=row.name).exclude(pk=row.pk).exists():
        text = worded("There is a group “{name}” already. Choose another name.", name=row.name)
        problems.append(FieldError("name", "exists", text))
    if len(row.description) > DESCRIPTION_CHARACTERS or not (row.description.isprintable() or not row.description):
        text = worded("Enter at most {most} characters, without line breaks.", most=DESCRIPTION_CHARACTERS)
        problems.append(FieldError("description", "invalid", text))
    if problems:
        raise SettingsRefused(*problems)


def _people(entries: Sequence[str]) -> tuple[list[Recipient], list[Person]]:
    """Recipients that are there, and people who are none yet. Raises SettingsRefused naming `members`."""
    if len(entries) > ENTRIES:
        text = worded("Enter at most {most} at once, or import a file.", most=ENTRIES)
        raise SettingsRefused(FieldError("members", "too-many", text))
    by_id = {row.pk: row for row in _recipients("pk", [entry for entry in entries if "@" not in entry])}
    people: dict[str, Person] = {}
    faults: list[str] = []
    for entry in entries:
        if entry in by_id:
            continue
        try:
            mailbox = parse_mailbox(entry)
            people.setdefault(canonical(str(mailbox.address)), checked_person(
                {"address": str(mailbox.address), "name": mailbox.name}
            ))
        except (AddressProblem, SettingsRefused):
            faults.append(entry[:80])
    if faults:
        shown = ", ".join(f"“{fault}”" for fault in faults[:_SHOWN]) + (" …" if len(faults) > _SHOWN else "")
        text = worded("These are no addresses: {faults}. Enter each as name@example.com.", faults=shown)
        raise SettingsRefused(FieldError("members", "invalid", text))
    known = {row.address_key: row for row in _recipients("address_key", list(people))}
    found = {row.pk: row for row in (*by_id.values(), *known.values())}
    return list(found.values()), [person for key, person in people.items() if key not in known]


def _join(group: RecipientGroup, found: Iterable[Recipient], new: Sequence[Person]) -> Joined:
    rows = []
    for person in new:
        row = Recipient()
        person.put_into(row)
        rows.append(row)
    Recipient.objects.bulk_create(rows, _AT_ONCE)
    members = set(group.memberships.values_list("recipient_id", flat=True))
    joining = [row for row in (*found, *rows) if row.pk not in members]
    GroupMember.objects.bulk_create((GroupMember(group=group, recipient=row) for row in joining), _AT_ONCE)
    return Joined(len(joining), len(rows))


def _recipients(column: str, values: Sequence[str]) -> list[Recipient]:
    found: list[Recipient] = []
    for start in range(0, len(values), _AT_ONCE):
        wanted: Mapping[str, Any] = {f"{column}__in": values[start : start + _AT_ONCE]}
        found += Recipient.objects.filter(**wanted)
    return found


def _present(group_id: str) -> RecipientGroup:
    row = RecipientGroup.objects.filter(pk=group_id[:26]).first()
    if row is None:
        raise NotPossible(worded("This group was removed meanwhile."))
    return row
