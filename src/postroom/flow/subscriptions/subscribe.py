"""Subscribe: a report, a schedule, and who gets it, as people keep them: add, change, pause, resume, remove.

Each change is audited in its commit, and leaves `next_at` as the schedule says, for the engine reads nothing else.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from postroom.store import audit
from postroom.store.models import Subscription, Suppression, User
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible, SettingsRefused
from .subscribers import FIELD as SUBSCRIBERS_FIELD
from .subscribers import set_subscribers, subscribers_of
from .subscription_fields import NAME_CHARACTERS, notices_of, set_fields
from .subscription_schedule import moved_next_at, next_at, set_schedule
from .subscription_values import called, subscription_values

# Each has to be looked at by a scheduler, and read by a person.
SUBSCRIPTIONS = 5_000
# What a new one has where nobody says anything, or is refused for.
_UNTOLD: Mapping[str, Any] = {
    "name": "", "source": None, "subscribers": [], "retry": {}, "conditions": {}, "description": "", "subject": "",
    "text": "", "language": "",
}


def add_subscription(
    values: Mapping[str, Any], actor: str, now: datetime, owner: User | None = None
) -> Subscription:
    """A new one. `values` by API name. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        if Subscription.objects.count() >= SUBSCRIPTIONS:
            raise NotPossible(worded("There are {most} subscriptions already. Remove one first.", most=SUBSCRIPTIONS))
        row = Subscription(owner=owner, paused_by="", last_digest="")
        _save(row, {**_UNTOLD, **values}, now)
        audit.record(actor, "subscription.add", row.name, {"subscription": subscription_values(row)})
    return row


def change_subscription(subscription_id: str, values: Mapping[str, Any], actor: str, now: datetime) -> Subscription:
    """Change the fields that `values` has. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        row = present(subscription_id)
        before = subscription_values(row)
        _save(row, values, now)
        audit.record_change(actor, "subscription.change", row.name, before, subscription_values(row))
    return row


def remove_subscription(subscription_id: str, actor: str) -> str:
    """Remove it with its history; its name. Messages that are queued still leave. Raises NotPossible."""
    with transaction.atomic():
        row = present(subscription_id)
        if row.runs.filter(state__in=("fetching", "sending")).exists():
            raise NotPossible(worded("A run of this subscription is under way. Stop it, or wait until it has ended."))
        audit.record(actor, "subscription.remove", row.name, {"subscription": subscription_values(row)})
        row.delete()
    return row.name


def pause_subscription(subscription_id: str, actor: str, now: datetime) -> Subscription:
    """Let nothing run by itself until it is resumed; by hand it still runs. Raises NotPossible."""
    with transaction.atomic():
        row = present(subscription_id)
        if row.paused_at is None:
            row.paused_at, row.paused_by, row.next_at = now, actor[:254], None
            row.save(update_fields=["paused_at", "paused_by", "next_at", "updated_at"])
            audit.record(actor, "subscription.pause", row.name)
    return row


def resume_subscription(subscription_id: str, actor: str, now: datetime) -> Subscription:
    """Go on with the next instant after now; those of the pause are not caught up. Raises NotPossible."""
    with transaction.atomic():
        row = present(subscription_id)
        if row.paused_at is not None:
            row.paused_at, row.paused_by = None, ""
            row.next_at = next_at(row, now)
            row.save(update_fields=["paused_at", "paused_by", "next_at", "updated_at"])
            audit.record(actor, "subscription.resume", row.name)
    return row


def present(subscription_id: str) -> Subscription:
    """Raises NotPossible where it is gone."""
    row = called(subscription_id)
    if row is None:
        raise NotPossible(worded("This subscription was removed meanwhile."))
    return row


def _save(row: Subscription, values: Mapping[str, Any], now: datetime) -> None:
    """Check and store what is there. Raises SettingsRefused naming every field at fault."""
    is_new = row._state.adding
    problems: list[FieldError] = []
    report, times = (row.source_id, row.parameters), (row.schedule, row.calendar_id)
    set_fields(row, values, problems)
    if _is_taken(row):
        problems.append(FieldError("name", "taken", worded("Another subscription has this name. Choose another.")))
    set_schedule(row, values, problems)
    wanted = subscribers_of(values["subscribers"], problems) if "subscribers" in values else None
    if wanted == [] and not any(problem.field.startswith(SUBSCRIBERS_FIELD) for problem in problems):
        text = worded("Enter who gets the report: a group, a recipient or an address.")
        problems.append(FieldError(SUBSCRIBERS_FIELD, "required", text))
    notices = notices_of(values["notices"], problems) if "notices" in values else None
    if problems:
        raise SettingsRefused(*problems)
    if (row.source_id, row.parameters) != report:
        row.last_digest = ""
    if is_new:
        row.list_name = _free_list_name(row.name)
    if (row.schedule, row.calendar_id) != times:
        row.next_at = moved_next_at(row, now)
    row.save()
    if wanted is not None:
        set_subscribers(row, wanted)
    if notices is not None:
        row.notices.all().delete()
        for notice in notices:
            notice.subscription = row
            notice.save()


def _is_taken(row: Subscription) -> bool:
    return Subscription.objects.filter(name__iexact=row.name).exclude(pk=row.pk).exists()


def _free_list_name(name: str) -> str:
    """The name by which recipients know what they leave; it stays when the subscription is renamed, for who has left is
    noted under it."""
    tried, number = name, 1
    while any(kind.objects.filter(list_name=tried).exists() for kind in (Subscription, Suppression)):
        number += 1
        end = f" ({number})"
        tried = name[: NAME_CHARACTERS - len(end)] + end
    return tried
