"""The days of a calendar on which nothing runs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

from postroom.terms.wording import worded

from .rule import ScheduleFault

MOST_COUNTRIES, MOST_DAYS = 20, 1_000


class DaysOff:
    """Public holidays of countries, such as "DE" or "DE-BY", and own days. Ask `day in days_off`, or `reason`."""

    def __init__(self, countries: Iterable[str], days: Iterable[date]) -> None:
        self._countries, self._days = tuple(countries), frozenset(days)

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and (
            day in self._days or any(day in _public_holidays(code, day.year) for code in self._countries)
        )

    def reason(self, day: date) -> str:
        """The holiday's name as its country has it, "" for an own day or none."""
        names = (_public_holidays(code, day.year).get(day, "") for code in self._countries)
        return next((name for name in names if name), "")

    def in_year(self, year: int) -> list[tuple[date, str]]:
        """All of one year, ascending, each with the holiday's name."""
        days = {day for day in self._days if day.year == year}
        for code in self._countries:
            days |= set(_public_holidays(code, year))
        return [(day, self.reason(day)) for day in sorted(days)]


def days_off(countries: Sequence[str], days: Sequence[str]) -> DaysOff:
    """As stored. Raises ScheduleFault, whose `field` is countries or days, for what is no such thing."""
    if len(countries) > MOST_COUNTRIES or len(days) > MOST_DAYS:
        raise ScheduleFault("days", worded(
            "A calendar holds at most {countries} countries and {days} days.", countries=MOST_COUNTRIES, days=MOST_DAYS
        ))
    return DaysOff([_checked_code(code) for code in countries], [_checked_day(day) for day in days])


def regions() -> Mapping[str, Sequence[str]]:
    """ISO codes of the countries whose public holidays are known, each with those of its parts."""
    import holidays

    return holidays.list_supported_countries()


def country_code(text: str) -> str:
    """The code that a code in any case, or an English name of a country, means. Raises ScheduleFault."""
    plain = " ".join(text.split())
    code = country_names().get(plain.casefold(), plain.upper())
    return code if _is_known(code) else _checked_code(plain)


@cache
def country_names() -> Mapping[str, str]:
    """ISO codes by the English name of the country, case-folded."""
    from holidays.registry import COUNTRIES

    return {
        re.sub(r"(?<=[a-z])(?=[A-Z])", " ", names[0]).casefold(): names[1] for names in COUNTRIES.values()
    }


def _checked_code(code: str) -> str:
    if not _is_known(code):
        raise ScheduleFault("countries", worded(
            "No public holidays are known of “{code}”. Write a country such as Germany or DE, or DE-BY for a part.",
            code=code[:20],
        ))
    return code


def _is_known(code: str) -> bool:
    country, dash, part = code.partition("-")
    return country in regions() and (not dash or part in regions()[country])


def _checked_day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ScheduleFault("days", worded(
            "“{text}” is no day. Write it such as 2027-12-24.", text=text[:40]
        )) from None


@cache
def _public_holidays(code: str, year: int) -> Mapping[date, str]:
    """Loaded when first asked for: the library and its tables are large. Without a language it would take that of the
    process's environment."""
    import holidays

    country, _, part = code.partition("-")
    found: Any = holidays.country_holidays(country, subdiv=part or None, years=year, expand=False, language="en_US")
    return {day: str(name) for day, name in found.items() if day.year == year}
