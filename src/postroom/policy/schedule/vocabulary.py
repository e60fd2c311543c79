"""The words that schedules are said in, by language: each stands for a tag that the grammar knows.

Words are compared in lower case and without accents. Words that are in no table are refused by name, so that nothing
that was written is silently left out; what carries no meaning of its own has the tag FILLER.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

FILLER, EVERY, OTHER, LAST, AT, AND, TO, FROM, START, EXCEPT = (
    "filler", "every", "other", "last", "at", "and", "to", "from", "start", "except"
)
MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR = "minute", "hour", "day", "week", "month", "quarter", "year"
WORKDAY, WEEKEND, WEEKDAY, MONTH_NAME = "workday", "weekend", "weekday", "month-name"
NUMBER, ORDINAL, TIME, DATE = "number", "ordinal", "time", "date"

_ENGLISH_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FRENCH_DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_ENGLISH_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
                   "november", "december")
_FRENCH_MONTHS = ("janvier", "fevrier", "mars", "avril", "mai", "juin", "juillet", "aout", "septembre", "octobre",
                  "novembre", "decembre")
_ENGLISH_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_FRENCH_NUMBERS = ("un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze")
_ENGLISH_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_FRENCH_ORDINALS = (("premier", "premiere"), ("deuxieme", "second", "seconde"), ("troisieme",), ("quatrieme",),
                    ("cinquieme",))

Meaning = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`phrases` are replaced by words before anything is read, longest first."""

    phrases: tuple[tuple[re.Pattern[str], str], ...]
    words: Mapping[str, Meaning]


def folded(text: str) -> str:
    """Lower case, no accents, one kind of apostrophe and dash."""
    plain = unicodedata.normalize("NFKD", text.lower())
    kept = "".join(character for character in plain if not unicodedata.combining(character))
    return kept.replace("’", "'").replace("–", "-").replace("—", "-").replace("œ", "oe")


def _tagged(tag: str, *words: str, value: int = 0) -> dict[str, Meaning]:
    return dict.fromkeys(words, (tag, value))


def _numbered(tag: str, names: tuple[str, ...], first: int, *, short: int = 0) -> dict[str, Meaning]:
    found: dict[str, Meaning] = {}
    for value, name in enumerate(names, first):
        found |= _tagged(tag, name, name + "s", value=value)
        if short:
            found |= _tagged(tag, name[:short], name[:short] + ".", value=value)
    return found


def _phrases(table: Mapping[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    longest_first = sorted(table, key=len, reverse=True)
    return tuple((re.compile(rf"(?<!\w){re.escape(phrase)}(?!\w)"), table[phrase]) for phrase in longest_first)


ENGLISH = Vocabulary(
    _phrases({
        "working days": "workdays", "working day": "workday", "business days": "workdays", "business day": "workday",
        "week days": "workdays", "week day": "workday", "starting on": "starting", "starting from": "starting",
        "beginning on": "starting", "counted from": "starting", "apart from": "except", "but not": "except",
        "a day": "every day", "a week": "every week", "a month": "every month", "a year": "every year",
        "o'clock": "", "as of": "starting", "hourly": "every hour", "daily": "every day", "weekly": "every week",
        "monthly": "every month", "quarterly": "every quarter", "yearly": "every year", "annually": "every year",
        "biweekly": "every 2 weeks", "fortnightly": "every 2 weeks", "fortnight": "2 weeks",
    }),
    _tagged(FILLER, "the", "on", "in", "of", "once", "run", "send", "during", "morning", "mornings")
    | _tagged(EVERY, "every", "each", "per", "all") | _tagged(OTHER, "other", "alternate") | _tagged(LAST, "last")
    | _tagged(AT, "at", "@") | _tagged(AND, "and", "&", "or", ",", ";")
    | _tagged(TO, "to", "through", "thru", "until", "till", "-") | _tagged(FROM, "from", "between")
    | _tagged(START, "starting", "beginning", "since") | _tagged(EXCEPT, "except", "excluding", "without")
    | _tagged(MINUTE, "minute", "minutes", "min", "mins") | _tagged(HOUR, "hour", "hours")
    | _tagged(DAY, "day", "days") | _tagged(WEEK, "week", "weeks") | _tagged(MONTH, "month", "months")
    | _tagged(QUARTER, "quarter", "quarters") | _tagged(YEAR, "year", "years")
    | _tagged(WORKDAY, "workday", "workdays", "weekday", "weekdays") | _tagged(WEEKEND, "weekend", "weekends")
    | _numbered(WEEKDAY, _ENGLISH_DAYS, 0, short=3)
    | _tagged(WEEKDAY, "tues", value=1) | _tagged(WEEKDAY, "thur", "thurs", value=3)
    | _numbered(MONTH_NAME, _ENGLISH_MONTHS, 1, short=3) | _tagged(MONTH_NAME, "sept", value=9)
    | _numbered(NUMBER, _ENGLISH_NUMBERS, 1) | _numbered(ORDINAL, _ENGLISH_ORDINALS, 1)
    | _tagged(TIME, "noon", "midday", value=720) | _tagged(TIME, "midnight", value=0),
)

FRENCH = Vocabulary(
    _phrases({
        "tous les": "chaque", "toutes les": "chaque", "jours ouvres": "ouvres", "jour ouvre": "ouvre",
        "jours ouvrables": "ouvres", "jour ouvrable": "ouvre", "une semaine sur deux": "chaque 2 semaines",
        "un jour sur deux": "chaque 2 jours", "un mois sur deux": "chaque 2 mois", "a partir du": "depuis",
        "a partir de": "depuis", "a compter du": "depuis", "fin de semaine": "weekend", "week-end": "weekend",
        "week-ends": "weekend", "par jour": "chaque jour", "par semaine": "chaque semaine",
        "par mois": "chaque mois", "par an": "chaque an", "a l'exception du": "sauf", "quotidiennement": "chaque jour",
        "mensuellement": "chaque mois", "trimestriellement": "chaque trimestre", "annuellement": "chaque an",
        "hebdomadairement": "chaque semaine",
    }),
    _tagged(FILLER, "le", "la", "les", "l", "d", "en", "une", "fois", "des", "aux", "envoyer", "pendant")
    | _tagged(FILLER, "matin", "matins")
    | _tagged(EVERY, "chaque", "tous", "toutes", "tout") | _tagged(LAST, "dernier", "derniere")
    | _tagged(AT, "a", "vers") | _tagged(AND, "et", "ou", "&", ",", ";") | _tagged(TO, "au", "jusqu", "jusque", "-")
    | _tagged(FROM, "de", "du", "entre") | _tagged(START, "depuis") | _tagged(EXCEPT, "sauf", "hors", "excepte")
    | _tagged(MINUTE, "minute", "minutes", "min") | _tagged(HOUR, "heure", "heures")
    | _tagged(DAY, "jour", "jours") | _tagged(WEEK, "semaine", "semaines") | _tagged(MONTH, "mois")
    | _tagged(QUARTER, "trimestre", "trimestres") | _tagged(YEAR, "an", "ans", "annee", "annees")
    | _tagged(WORKDAY, "ouvre", "ouvres") | _tagged(WEEKEND, "weekend", "weekends")
    | _numbered(WEEKDAY, _FRENCH_DAYS, 0) | _numbered(MONTH_NAME, _FRENCH_MONTHS, 1)
    | _tagged(MONTH_NAME, "janv", "janv.", value=1) | _tagged(MONTH_NAME, "fevr", "fevr.", value=2)
    | _tagged(MONTH_NAME, "sept", "sept.", value=9)
    | {name: (NUMBER, value) for value, name in enumerate(_FRENCH_NUMBERS, 1) if name != "sept"}
    | {name: (ORDINAL, value) for value, names in enumerate(_FRENCH_ORDINALS, 1) for name in (*names, names[0] + "s")}
    | _tagged(TIME, "midi", value=720) | _tagged(TIME, "minuit", value=0),
)

VOCABULARIES = {"en": ENGLISH, "fr": FRENCH}
