"""Recipients as people keep them: add, change, remove and put back. Each is audited in the commit of the change."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction

from postroom.store import audit
from postroom.store.models import AuditEntry, GroupMember, Recipient, RecipientGroup, Subscriber, Subscription
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible, SettingsRefused
from .recipient_values import Person, checked_person

AT_ONCE = 500


def recipient_json(row: Recipient) -> dict[str, Any]:
    """A recipient by the names of the API, without id and groups."""
    return {
        "address": row.address, "name": row.name, "language": row.language, "time_zone": row.time_zone,
        "values": row.values,
    }


def add_recipient(given: Mapping[str, Any], actor: str, groups: Sequence[str] = ()) -> Recipient:
    """A new recipient in the groups of these ids. Raises SettingsRefused naming each field at fault."""
    person = checked_person(given)
    with transaction.atomic():
        _refuse_twice(person)
        row = Recipient()
        person.put_into(row)
        row.save()
        _set_groups(row, groups)
        audit.record(actor, "recipient.add", row.address, {"recipient": recipient_json(row)})
    return row


def change_recipient(
    recipient_id: str, given: Mapping[str, Any], actor: str, groups: Sequence[str] | None = None
) -> Recipient:
    """Change the fields that are given, and the groups where those are. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        row = Recipient.objects.filter(pk=recipient_id[:26]).first()
        if row is None:
            raise NotPossible(worded("This recipient was removed meanwhile."))
        person, before = checked_person(given, Person.of(row)), recipient_json(row)
        if person.key != row.address_key:
            _refuse_twice(person)
        person.put_into(row)
        row.save()
        moved = _set_groups(row, groups) if groups is not None else None
        more = {"groups": moved} if moved else {}
        audit.record_change(actor, "recipient.change", row.address, before, recipient_json(row), more)
    return row


def remove_recipients(ids: Sequence[str], actor: str) -> str:
    """Remove them from groups and subscriptions, too; the id under which `put_back` finds them. Raises NotPossible."""
    with transaction.atomic():
        rows = list(Recipient.objects.filter(pk__in=ids[:AT_ONCE]).order_by("pk"))
        if not rows:
            raise NotPossible(worded("This recipient was removed meanwhile."))
        kept = [{"id": row.pk, **recipient_json(row), **_places_of(row)} for row in rows]
        subject = rows[0].address if len(rows) == 1 else f"{len(rows)} recipients"
        entry = audit.record(actor, "recipient.remove", subject, {"removed": kept})
        Recipient.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return entry.pk


def put_back_recipients(removal: str, actor: str) -> int:
    """Undo a removal: how many are back. Who was added again meanwhile stays as that. Raises NotPossible."""
    with transaction.atomic():
        entry = AuditEntry.objects.filter(pk=removal[:26], action="recipient.remove").first()
        kept = entry.changes["removed"] if entry is not None else []
        count = sum(_put_back(one) for one in kept)
        if not count:
            raise NotPossible(worded("They are there again already."))
        audit.record(actor, "recipient.put-back", entry.subject if entry else "")
    return count


def _put_back(kept: Mapping[str, Any]) -> bool:
    person = checked_person(kept)
    if Recipient.objects.filter(address_key=person.key).exists():
        return False
    row = Recipient(pk=kept["id"])
    person.put_into(row)
    row.save(force_insert=True)
    groups = RecipientGroup.objects.filter(pk__in=kept["groups"])
    GroupMember.objects.bulk_create(GroupMember(group=group, recipient=row) for group in groups)
    present = set(Subscription.objects.filter(pk__in=[one["subscription"] for one in kept["subscribed"]])
                  .values_list("pk", flat=True))
    Subscriber.objects.bulk_create(
        Subscriber(subscription_id=one["subscription"], recipient=row, place=one["place"])
        for one in kept["subscribed"] if one["subscription"] in present
    )
    return True


def _places_of(row: Recipient) -> dict[str, Any]:
    return {
        "groups": list(row.memberships.order_by("pk").values_list("group_id", flat=True)),
        "subscribed": [
            {"subscription": one.subscription_id, "place": one.place} for one in row.subscribed.order_by("pk")
        ],
    }


def _set_groups(row: Recipient, wanted: Iterable[str]) -> list[list[str]]:
    """Have the recipient in exactly these groups; [names before, names after] when that changed something. Raises
    SettingsRefused naming `groups`."""
    found = {group.pk: group.name for group in RecipientGroup.objects.filter(pk__in=list(wanted)[:AT_ONCE])}
    if set(wanted) - set(found):
        raise SettingsRefused(FieldError("groups", "not-found", worded("There is no such group. It may be removed.")))
    before = {member.group_id: member.group.name for member in row.memberships.select_related("group")}
    if set(before) == set(found):
        return []
    row.memberships.exclude(group_id__in=found).delete()
    GroupMember.objects.bulk_create(
        GroupMember(group_id=group_id, recipient=row) for group_id in found if group_id not in before
    )
    return [sorted(before.values()), sorted(found.values())]


def _refuse_twice(person: Person) -> None:
    if Recipient.objects.filter(address_key=person.key).exists():
        text = worded("{address} is a recipient already.", address=person.address)
        raise SettingsRefused(FieldError("address", "exists", text))
