"""Countries as the reader calls them."""

from collections.abc import Mapping
from functools import cache

from postroom.flow.instance.reader import language
from postroom.policy.schedule import country_names


def country_words(code: str) -> str:
    """ "Germany" for "DE", "Germany (BY)" for a part of it; the code where no name is known."""
    country, _dash, part = code.partition("-")
    name = countries().get(country, country)
    return f"{name} ({part})" if part else name


def countries() -> Mapping[str, str]:
    """Names by code of the countries whose public holidays are known, in the reader's language."""
    return _countries(language())


def country_meant(text: str) -> str:
    """The code of a country that was written by the name that its reader sees; anything else as it is."""
    plain = " ".join(text.split()).casefold()
    return next((code for code, name in countries().items() if name.casefold() == plain), text)


@cache
def _countries(language: str) -> Mapping[str, str]:
    # Read where a calendar is shown: its tables would cost each process memory.
    from babel import Locale

    told = Locale.parse(language, sep="-").territories
    return {code: told.get(code, name.title()) for name, code in country_names().items()}
