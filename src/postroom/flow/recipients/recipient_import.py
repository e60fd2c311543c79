"""Take over a file of recipients that was looked at, in one commit, and take it back while that is possible."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from postroom.smtp.text import printable
from postroom.store import audit
from postroom.store.models import GroupMember, Recipient, RecipientGroup, RecipientImport
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible
from .recipient_book import recipient_json
from .recipient_groups import GROUPS
from .recipient_plan import Fate, Plan
from .recipient_values import checked_person

# Imports that can still be undone; of older ones only the counts are kept.
UNDO_KEPT = 10
_AT_ONCE = 500
_COLUMNS = ("address", "address_key", "name", "language", "time_zone", "values", "updated_at")


def take(plan: Plan, *, file_name: str, actor: str) -> RecipientImport:
    """Take over the good lines; bad ones are left out. Raises NotPossible where there is no good one, or one of the
    recipients was changed since the plan was made."""
    if not plan.good:
        raise NotPossible(worded("No line of the file can be taken."))
    with transaction.atomic():
        _refuse_stale(plan)
        groups, made = _groups(plan)
        added, changed = _added(plan), _changed(plan)
        rows = {**plan.known, **{row.address_key: row for row in added}}
        joined = _joined(plan, rows, groups)
        entry = RecipientImport.objects.create(
            at=timezone.now(), by=actor[:254], file_name=printable(file_name, 255), added=len(added),
            changed=plan.count(Fate.CHANGED), left_out=len(plan.bad),
            undo={"added": [row.pk for row in added], "changed": changed, "members": joined, "groups": made},
        )
        _forget_old_undo()
        told = {"added": entry.added, "changed": entry.changed, "left_out": entry.left_out, "import": entry.pk}
        audit.record(actor, "recipients.import", entry.file_name or "recipients", told)
    return entry


def undo(import_id: str, *, actor: str) -> tuple[int, int]:
    """Take an import back: how many were removed and set back. What somebody changed since stays.

    Raises NotPossible."""
    with transaction.atomic():
        entry = RecipientImport.objects.filter(pk=import_id[:26]).first()
        if entry is None or entry.undone_at is not None or not entry.undo:
            raise NotPossible(worded("This import can't be undone any more."))
        kept: Mapping[str, Any] = entry.undo
        for group_id, recipient_id in kept["members"]:
            GroupMember.objects.filter(group_id=group_id, recipient_id=recipient_id).delete()
        untouched = [
            Recipient.objects.filter(pk__in=some, updated_at__lte=entry.at) for some in _parts(kept["added"])
        ]
        removed = sum(rows.delete()[1].get("store.Recipient", 0) for rows in untouched)
        set_back = sum(_set_back(id_, before, entry) for id_, before in kept["changed"].items())
        RecipientGroup.objects.filter(pk__in=kept["groups"], memberships=None, subscribed=None).delete()
        entry.undone_at, entry.undo = timezone.now(), {}
        entry.save(update_fields=["undone_at", "undo"])
        told = {"removed": removed, "set_back": set_back, "import": entry.pk}
        audit.record(actor, "recipients.import-undo", entry.file_name or "recipients", told)
    return removed, set_back


def _refuse_stale(plan: Plan) -> None:
    """Raise NotPossible where an address was added, changed or removed since the plan was made."""
    keys = [line.person.key for line in plan.good if line.person is not None]
    there: dict[str, Any] = {}
    for some in _parts(keys):
        there.update(Recipient.objects.filter(address_key__in=some).values_list("address_key", "updated_at"))
    if there != {key: plan.known[key].updated_at for key in keys if key in plan.known}:
        raise NotPossible(worded("The recipients were changed meanwhile. Look at the file again."))


def _groups(plan: Plan) -> tuple[dict[str, str], list[str]]:
    """Ids of the groups by name, and which of them were made."""
    if RecipientGroup.objects.count() + len(plan.new_groups) > GROUPS:
        raise NotPossible(worded("There would be more than {most} groups.", most=GROUPS))
    new = [RecipientGroup(name=name, description="") for name in plan.new_groups]
    RecipientGroup.objects.bulk_create(new)
    names = sorted({name for line in plan.good for name in line.groups})
    ids: dict[str, str] = {}
    for some in _parts(names):
        ids.update(RecipientGroup.objects.filter(name__in=some).values_list("name", "pk"))
    return ids, [group.pk for group in new]


def _added(plan: Plan) -> list[Recipient]:
    rows = []
    for line in plan.good:
        if line.fate is Fate.NEW and line.person is not None:
            row = Recipient()
            line.person.put_into(row)
            rows.append(row)
    return Recipient.objects.bulk_create(rows, _AT_ONCE)


def _changed(plan: Plan) -> dict[str, dict[str, Any]]:
    """The values before, by id, of those whose own values changed."""
    before: dict[str, dict[str, Any]] = {}
    rows, now = [], timezone.now()
    for line in plan.good:
        if line.fate is Fate.CHANGED and line.person is not None:
            row = plan.known[line.person.key]
            was = recipient_json(row)
            line.person.put_into(row)
            if recipient_json(row) != was:
                before[row.pk], row.updated_at = was, now
                rows.append(row)
    Recipient.objects.bulk_update(rows, _COLUMNS, _AT_ONCE // 5)
    return before


def _joined(plan: Plan, rows: Mapping[str, Recipient], groups: Mapping[str, str]) -> list[list[str]]:
    """Pairs of group and recipient that were not there before."""
    there = set(GroupMember.objects.filter(group_id__in=groups.values()).values_list("group_id", "recipient_id"))
    wanted = {
        (groups[name], rows[line.person.key].pk)
        for line in plan.good if line.person is not None for name in line.groups
    }
    new = sorted(wanted - there)
    GroupMember.objects.bulk_create((GroupMember(group_id=g, recipient_id=r) for g, r in new), _AT_ONCE)
    return [[group_id, recipient_id] for group_id, recipient_id in new]


def _set_back(id_: str, before: Mapping[str, Any], entry: RecipientImport) -> bool:
    row = Recipient.objects.filter(pk=id_, updated_at__lte=entry.at).first()
    if row is None:
        return False
    checked_person(before).put_into(row)
    row.save()
    return True


def _forget_old_undo() -> None:
    newest = list(RecipientImport.objects.order_by("-pk").values_list("pk", flat=True)[:UNDO_KEPT])
    RecipientImport.objects.exclude(pk__in=newest).exclude(undo={}).update(undo={})


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
