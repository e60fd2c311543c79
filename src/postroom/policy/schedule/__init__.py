"""When reports are due: a schedule read from plain words or cron, told again in words, and its instants in UTC."""

from .days_off import DaysOff, country_code, country_names, days_off
from .instants import following, instants, latest
from .missed import CatchUp, Due, corrected, due
from .notes import notes
from .reading import check_zone, parsed
from .rule import NO_DAYS_OFF, Days, Schedule, ScheduleFault
from .text import described

__all__ = [
    "NO_DAYS_OFF", "CatchUp", "Days", "DaysOff", "Due", "Schedule", "ScheduleFault", "check_zone",
    "corrected", "country_code", "country_names", "days_off",
    "described", "due", "following", "instants", "latest", "notes", "parsed",
]
