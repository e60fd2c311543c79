"""Times in the words of a mail's language: "12 March 2026, 08:00"."""

import re
from datetime import datetime
from typing import Any

_MONTHS = {
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December"),
    "fr": ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
           "novembre", "décembre"),
}
_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
}
_NAMED = {
    "date": "%d %B %Y", "time": "%H:%M", "date_time": "%d %B %Y, %H:%M", "day": "%A %d %B %Y", "iso": "%Y-%m-%d",
    "zoned": "%d %B %Y, %H:%M %Z",
}
_CODE = re.compile(r"%([YmdHMSBAZ%])")
FORMAT_CHARACTERS = 100


def time_in_words(value: Any, form: Any = "date_time", language: Any = "en") -> str:
    """A time of ISO 8601 by a named form (date, time, date_time, day, iso, zoned), or by codes such as "%d %B %Y";
    what is no time stays as it is. `language` is that of the names."""
    try:
        at = datetime.fromisoformat(str(value)[:40])
    except ValueError:
        return "" if value is None else str(value)
    language = "fr" if str(language).startswith("fr") else "en"
    pattern = _NAMED.get(str(form), str(form)[:FORMAT_CHARACTERS])
    return _CODE.sub(lambda code: _said(at, code[1], language), pattern)


def _said(at: datetime, code: str, language: str) -> str:
    if code == "B":
        return _MONTHS[language][at.month - 1]
    if code == "A":
        return _DAYS[language][at.weekday()]
    if code == "d":
        return str(at.day)
    if code == "Z":
        name = at.tzname() or ""
        return "UTC" + name.removeprefix("UTC").removesuffix(":00")
    if code == "%":
        return "%"
    return at.strftime("%" + code)
