"""Times, sizes and counts in words, as the pages say them."""

from datetime import datetime, timedelta

from django.utils import timezone

_STEPS = ((86_400, "day", "days"), (3_600, "hour", "hours"), (60, "minute", "minutes"))
_SHORT = {"day": "d", "days": "d", "hour": "h", "hours": "h", "minute": "min", "minutes": "min"}


def span(seconds: float) -> str:
    """A length of time, coarse: "12 minutes", "1 hour", "less than a minute"."""
    for length_s, one, many in _STEPS:
        if seconds >= length_s:
            count = int(seconds // length_s)
            return f"{count} {one if count == 1 else many}"
    return "less than a minute"


def short_span(seconds: float) -> str:
    """The same in little room: "12 min", "3 h", "40 s"."""
    if seconds < 60:
        return f"{max(0, int(seconds))} s"
    count, unit = span(seconds).split(" ")
    return f"{count} {_SHORT[unit]}"


def clock(at: datetime) -> str:
    """Hours and minutes in the reader's time zone."""
    return f"{timezone.localtime(at):%H:%M}"


def exact_clock(at: datetime) -> str:
    """Hours, minutes and seconds in the reader's time zone."""
    return f"{timezone.localtime(at):%H:%M:%S}"


def day(at: datetime, now: datetime | None = None) -> str:
    """The day in words: "today", "yesterday", "9 Mar", "9 Mar 2025" in the reader's time zone."""
    today = timezone.localtime(now or timezone.now()).date()
    on = timezone.localtime(at).date()
    if on == today:
        return "today"
    if on == today - timedelta(days=1):
        return "yesterday"
    return f"{on.day} {on:%b}" if on.year == today.year else f"{on.day} {on:%b %Y}"


def day_and_clock(at: datetime, now: datetime | None = None) -> str:
    """ "today, 14:32"."""
    return f"{day(at, now)}, {clock(at)}"


def until(at: datetime, now: datetime | None = None) -> str:
    """When something due happens: "in 6 minutes, at 14:38", "now"."""
    seconds = (at - (now or timezone.now())).total_seconds()
    if seconds <= 0:
        return "now"
    if seconds < 60:
        return f"in less than a minute, at {exact_clock(at)}"
    where = f"at {clock(at)}" if seconds < 86_400 else f"on {day_and_clock(at, now)}"
    return f"in {span(seconds)}, {where}"


def size(octets: int) -> str:
    """ "1.8 MB", in powers of 1024 as most mail servers mean their limits."""
    if octets < 1_024:
        return f"{octets} B"
    value = octets / 1_024
    for unit in ("kB", "MB"):
        if value < 1_024:
            return _rounded(value, unit)
        value /= 1_024
    return _rounded(value, "GB")


def _rounded(value: float, unit: str) -> str:
    return f"{value:.1f} {unit}" if value < 10 and round(value, 1) % 1 else f"{value:.0f} {unit}"


_LITTLE_WORDS = frozenset(("A", "An", "Another", "No", "Nothing", "Something", "The", "There", "This", "Too", "Two"))


def first_lower(text: str) -> str:
    """For a title that continues a sentence; a name such as Gmail or SMTP at its beginning stays as it is."""
    first = text.split(" ", 1)[0]
    return (text[:1].lower() + text[1:] if first in _LITTLE_WORDS else text).rstrip(".")


def count(number: int, one: str, many: str) -> str:
    """ "1 server", "2 servers"."""
    return f"{number:,} {one if number == 1 else many}"
