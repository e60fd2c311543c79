"""The schedule of a subscription as it is stored: checked when it is saved, and the instant that comes next."""

from collections.abc import Container, Mapping
from datetime import date, datetime
from typing import Any

from postroom.policy.schedule import NO_DAYS_OFF, Schedule, ScheduleFault, days_off, instants, parsed
from postroom.store.models import HolidayCalendar
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.instance import site
from ..instance.refusals import SettingsRefused

FIELDS = ("words", "cron", "time_zone")


def checked(schedule: Mapping[str, Any]) -> dict[str, str]:
    """As it is to be stored: {} for none, else words or cron, and the zone, the installation's where none is given.

    Raises SettingsRefused naming words, cron, time_zone or schedule."""
    if unknown := [name for name in schedule if name not in FIELDS]:
        raise _refused("schedule", worded("There is no field {name}.", name=str(unknown[0])[:40]))
    given = {name: str(schedule.get(name) or "").strip() for name in FIELDS}
    if not given["words"] and not given["cron"]:
        return {}
    if given["words"] and given["cron"]:
        raise _refused("schedule", worded("Give either words or cron, not both."))
    zone = given["time_zone"] or site().time_zone
    name = "words" if given["words"] else "cron"
    try:
        parsed(given[name], zone)
    except ScheduleFault as fault:
        field = "time_zone" if fault.field == "time_zone" else name
        raise _refused(field, fault.text) from None
    return {name: given[name], "time_zone": zone}


def schedule_of(schedule: Mapping[str, Any]) -> Schedule | None:
    """As stored; None for {}. Raises ScheduleFault for what no longer reads, as after the loss of a time zone."""
    text = schedule.get("words") or schedule.get("cron")
    return parsed(str(text), str(schedule.get("time_zone") or "UTC")) if text else None


def days_off_of(calendar: HolidayCalendar | None) -> Container[date]:
    """Raises ScheduleFault where a country of the calendar is known no longer."""
    return days_off(calendar.countries, calendar.days) if calendar is not None else NO_DAYS_OFF


def next_instant(schedule: Mapping[str, Any], calendar: HolidayCalendar | None, after: datetime) -> datetime | None:
    """The first instant later than `after`; None without a schedule, or when there is none in the next 50 years.
    Raises ScheduleFault."""
    read = schedule_of(schedule)
    found = instants(read, after, days_off_of(calendar), 1) if read is not None else []
    return found[0] if found else None


def _refused(field: str, text: str) -> SettingsRefused:
    return SettingsRefused(FieldError(field, "invalid", text))
