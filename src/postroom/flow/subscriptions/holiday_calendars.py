"""Calendars of days on which nothing runs: added, changed, removed and put back. Each is audited, and subscriptions
that a change touches get their next instant anew in the same commit."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from postroom.policy.schedule import ScheduleFault, country_code, days_off
from postroom.store import audit
from postroom.store.models import AuditEntry, HolidayCalendar, Subscription
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible, SettingsRefused
from .schedules import next_instant

NAME_CHARACTERS = 100
MOST_CALENDARS = 100
FIELDS = ("name", "countries", "days")


def add_calendar(values: Mapping[str, Any], actor: str) -> HolidayCalendar:
    """`values` by API name: name, countries (codes or English names), days (ISO dates). Raises SettingsRefused,
    NotPossible."""
    with transaction.atomic():
        if HolidayCalendar.objects.count() >= MOST_CALENDARS:
            raise NotPossible(worded("There are {most} calendars already. Remove one first.", most=MOST_CALENDARS))
        row = HolidayCalendar()
        _set(row, values)
        row.save()
        audit.record(actor, "calendar.add", row.name, {"calendar": calendar_json(row)})
    return row


def change_calendar(calendar_id: str, values: Mapping[str, Any], actor: str) -> HolidayCalendar:
    """Change the fields that `values` has. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        row = _present(calendar_id)
        before = calendar_json(row)
        _set(row, values)
        after = calendar_json(row)
        if audit.record_change(actor, "calendar.change", row.name, before, {name: after[name] for name in FIELDS}):
            row.save()
            _move_next_instants(row)
    return row


def remove_calendar(calendar_id: str, actor: str) -> str:
    """Remove one that no subscription uses; the id under which `put_back` finds it. Raises NotPossible."""
    with transaction.atomic():
        row = _present(calendar_id)
        if (used := row.subscriptions.first()) is not None:
            text = worded("The subscription “{name}” uses this calendar. Give it another one first.", name=used.name)
            raise NotPossible(text)
        changes = {"calendar": calendar_json(row), "id": row.pk}
        entry = audit.record(actor, "calendar.remove", row.name, changes)
        row.delete()
    return entry.pk


def put_back(removal: str, actor: str) -> HolidayCalendar:
    """Undo a removal. Raises NotPossible where it is back, or another has its name."""
    with transaction.atomic():
        entry = AuditEntry.objects.filter(pk=removal, action="calendar.remove").first()
        if entry is None or HolidayCalendar.objects.filter(pk=entry.changes["id"]).exists():
            raise NotPossible(worded("This calendar is there again already."))
        kept = entry.changes["calendar"]
        if HolidayCalendar.objects.filter(name=kept["name"]).exists():
            raise NotPossible(worded("Another calendar is called “{name}” now.", name=kept["name"]))
        row = HolidayCalendar.objects.create(pk=entry.changes["id"], **{name: kept[name] for name in FIELDS})
        audit.record(actor, "calendar.put-back", row.name)
    return row


def calendar_json(row: HolidayCalendar) -> dict[str, Any]:
    """By API names."""
    return {"name": row.name, "countries": list(row.countries), "days": list(row.days)}


def _set(row: HolidayCalendar, values: Mapping[str, Any]) -> None:
    problems: list[FieldError] = []
    if "name" in values:
        row.name = " ".join(str(values["name"]).split())
        problems += _name_problems(row)
    if "countries" in values:
        row.countries = _checked(values["countries"], "countries", problems)
    if "days" in values:
        row.days = _checked(values["days"], "days", problems)
    if problems:
        raise SettingsRefused(*problems)


def _name_problems(row: HolidayCalendar) -> list[FieldError]:
    if not row.name:
        return [FieldError("name", "required", worded("Enter a name, such as Germany and Sweden."))]
    if len(row.name) > NAME_CHARACTERS:
        return [FieldError("name", "too-long", worded("Use at most {most} characters.", most=NAME_CHARACTERS))]
    if HolidayCalendar.objects.filter(name=row.name).exclude(pk=row.pk).exists():
        return [FieldError("name", "taken", worded("Another calendar is called so. Choose another name."))]
    return []


def _checked(given: Any, field: str, problems: list[FieldError]) -> list[str]:
    """Each once, in order; countries as codes."""
    texts = [str(text).strip() for text in given if str(text).strip()]
    try:
        if field == "countries":
            texts = [country_code(text) for text in texts]
            days_off(texts, [])
        else:
            days_off([], texts)
            texts.sort()
    except ScheduleFault as fault:
        problems.append(FieldError(field, "invalid", fault.text))
    return list(dict.fromkeys(texts))


def _move_next_instants(calendar: HolidayCalendar) -> None:
    now = timezone.now()
    for row in Subscription.objects.filter(calendar=calendar, paused_at=None, next_at__gt=now):
        try:
            row.next_at = next_instant(row.schedule, calendar, now)
        except ScheduleFault:
            continue  # what no longer reads keeps the instant that it had
        row.save(update_fields=["next_at"])


def _present(calendar_id: str) -> HolidayCalendar:
    row = HolidayCalendar.objects.filter(pk=calendar_id).first()
    if row is None:
        raise NotPossible(worded("This calendar is no longer there."))
    return row
