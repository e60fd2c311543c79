"""Times, sizes and counts in words, as the pages say them, in the active language."""

from collections.abc import Callable
from datetime import date as calendar_date
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from postroom.flow.instance.reader import language

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400
# Between groups of three digits, before the decimals, and between a number and its unit. French sets narrow spaces that
# do not break.
_GROUPS = {"en": ",", "fr": "\u202f"}
_DECIMALS = {"en": ".", "fr": ","}
_UNIT_SPACE = {"en": " ", "fr": "\u00a0"}
_BYTE_UNITS = {"en": ("B", "kB", "MB", "GB"), "fr": ("o", "ko", "Mo", "Go")}


def number(value: float, decimals: int = 0) -> str:
    """ "12,345" and "1.5"; in French "12 345" and "1,5"."""
    grouped = f"{value:,.{decimals}f}"
    return grouped.translate({ord(","): _GROUPS[language()], ord("."): _DECIMALS[language()]})


def measured(value: float, unit: str, decimals: int = 0) -> str:
    """A number and its unit, which stay on one line in French: "12 ms"."""
    return f"{number(value, decimals)}{_UNIT_SPACE[language()]}{unit}"


def span(seconds: float) -> str:
    """A length of time, coarse: "12 minutes", "1 hour", "less than a minute"."""
    if seconds >= _DAY_S:
        days = int(seconds // _DAY_S)
        return ngettext("%(n)s day", "%(n)s days", days) % {"n": number(days)}
    if seconds >= _HOUR_S:
        hours = int(seconds // _HOUR_S)
        return ngettext("%(n)s hour", "%(n)s hours", hours) % {"n": hours}
    if seconds >= _MINUTE_S:
        minutes = int(seconds // _MINUTE_S)
        return ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes}
    return _("less than a minute")


def short_span(seconds: float) -> str:
    """The same in little room: "12 min", "3 h", "40 s"."""
    if seconds >= _DAY_S:
        return measured(seconds // _DAY_S, pgettext("unit: days", "d"))
    if seconds >= _HOUR_S:
        return measured(seconds // _HOUR_S, "h")
    if seconds >= _MINUTE_S:
        return measured(seconds // _MINUTE_S, "min")
    return measured(max(0, int(seconds)), "s")


def ago(at: datetime, now: datetime | None = None) -> str:
    """ "12 min ago", "just now"."""
    seconds = ((now or timezone.now()) - at).total_seconds()
    return _("just now") if seconds < 1 else _("%(span)s ago") % {"span": short_span(seconds)}


def clock(at: datetime) -> str:
    """Hours and minutes in the reader's time zone."""
    return f"{timezone.localtime(at):%H:%M}"


def exact_clock(at: datetime) -> str:
    """Hours, minutes and seconds in the reader's time zone."""
    return f"{timezone.localtime(at):%H:%M:%S}"


def date(at: datetime, now: datetime | None = None) -> str:
    """ "9 Mar", with the year where it is not this one, in the reader's time zone."""
    local = timezone.localtime(at)
    if local.year == timezone.localtime(now or timezone.now()).year:
        # Translators: a day without its year, in Django's format characters; French writes "j N" ("9 mars")
        return date_format(local, pgettext("date format", "j M"))
    # Translators: a day with its year, in Django's format characters
    return date_format(local, pgettext("date format", "j M Y"))


def date_with_year(at: datetime) -> str:
    """ "9 Mar 2026" in the reader's time zone."""
    return date_format(timezone.localtime(at), pgettext("date format", "j M Y"))


def weekday_and_date(at: datetime) -> str:
    """ "Thu 12 Mar" in the reader's time zone."""
    # Translators: weekday and day, in Django's format characters
    return date_format(timezone.localtime(at), pgettext("date format", "D j M"))


def weekday_and_day(day: calendar_date) -> str:
    """ "Fri 25 Dec 2026"."""
    return f"{date_format(day, 'D')} {date_format(day, pgettext('date format', 'j M Y'))}"


def day(at: datetime, now: datetime | None = None) -> str:
    """The day in words: "today", "yesterday", "9 Mar", "9 Mar 2025" in the reader's time zone."""
    today = timezone.localtime(now or timezone.now()).date()
    on = timezone.localtime(at).date()
    if on == today:
        return _("today")
    if on == today - timedelta(days=1):
        return _("yesterday")
    return date(at, now)


def day_and_clock(at: datetime, now: datetime | None = None) -> str:
    """ "today, 14:32"."""
    return _("%(day)s, %(clock)s") % {"day": day(at, now), "clock": clock(at)}


def since(at: datetime, now: datetime | None = None) -> str:
    """Since when: "13:47" today, else "9 Mar, 13:47"."""
    today = timezone.localtime(now or timezone.now()).date()
    return clock(at) if timezone.localtime(at).date() == today else day_and_clock(at, now)


def until(at: datetime, now: datetime | None = None) -> str:
    """When something due happens: "in 6 minutes, at 14:38", "now"."""
    seconds = (at - (now or timezone.now())).total_seconds()
    if seconds <= 0:
        return _("now")
    if seconds < _MINUTE_S:
        return _("in less than a minute, at %(clock)s") % {"clock": exact_clock(at)}
    if seconds < _DAY_S:
        return _("in %(span)s, at %(clock)s") % {"span": span(seconds), "clock": clock(at)}
    return _("in %(span)s, on %(day)s, %(clock)s") % {"span": span(seconds), "day": day(at, now), "clock": clock(at)}


def size(octets: int) -> str:
    """ "1.8 MB", in powers of 1024 as most mail servers mean their limits."""
    units = _BYTE_UNITS[language()]
    if octets < 1_024:
        return measured(octets, units[0])
    value = octets / 1_024
    for unit in units[1:3]:
        if value < 1_024:
            return _rounded(value, unit)
        value /= 1_024
    return _rounded(value, units[3])


def _rounded(value: float, unit: str) -> str:
    return measured(value, unit, 1 if value < 10 and round(value, 1) % 1 else 0)


# First words that are no names; a title that begins with another keeps its capital.
_LITTLE_WORDS = {
    "en": frozenset(("A", "An", "Another", "No", "Nothing", "Something", "The", "There", "This", "Too", "Two")),
    "fr": frozenset(("Un", "Une", "Aucun", "Aucune", "Rien", "Le", "La", "Les", "Il", "Ce", "Cet", "Cette", "Trop",
                     "Deux", "Des", "Du", "Votre", "Vos", "Son", "Sa", "Ses")),
}


def first_lower(text: str) -> str:
    """For a title that continues a sentence; a name such as Gmail or SMTP at its beginning stays as it is."""
    first = text.split(" ", 1)[0]
    elided = language() == "fr" and text[:2] in ("L’", "L'", "D’", "D'")
    little = first in _LITTLE_WORDS[language()] or elided
    return (text[:1].lower() + text[1:] if little else text).rstrip(".")


def count(amount: int, one: str, many: str) -> str:
    """ "1 server", "2 servers": both forms already in the reader's language."""
    plural: Callable[[int], bool] = (lambda n: n > 1) if language() == "fr" else (lambda n: n != 1)
    return f"{number(amount)} {many if plural(amount) else one}"
