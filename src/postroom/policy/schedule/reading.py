"""A schedule from what somebody wrote, be it words or cron, and the zone that its clocks are read in."""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from postroom.terms.wording import worded

from .cron import LONGEST, schedule_of_cron
from .rule import Schedule, ScheduleFault
from .words import schedule_of_words

_NAMES = "mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|lw?"
# Four to seven fields: who forgot one, or has one too many, is told so.
_CRON = re.compile(rf"@[a-z]+|[0-9*][0-9*,/-]*(?:\s+(?:[0-9*,/#-]|{_NAMES})+){{3,6}}", re.ASCII | re.IGNORECASE)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}", re.ASCII)
LONGEST_ZONE = 64


def parsed(text: str, zone: str) -> Schedule:
    """Words or a cron expression, whichever it looks like. Raises ScheduleFault, whose `field` is words, cron or
    time_zone."""
    check_zone(zone)
    written = text.strip()[: LONGEST + 1]
    if _CRON.fullmatch(written):
        return schedule_of_cron(written, zone)
    return schedule_of_words(written, zone)


def check_zone(zone: str) -> None:
    """Raises ScheduleFault unless it is the name of a zone of the IANA database."""
    try:
        if len(zone) <= LONGEST_ZONE and _ZONE.fullmatch(zone):
            ZoneInfo(zone)
            return
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass  # the same as a name of another shape: no zone
    raise ScheduleFault("time_zone", worded(
        "There is no time zone “{zone}”. Write it such as Europe/Berlin, or UTC.", zone=zone[:LONGEST_ZONE]
    ))
