"""A schedule in words, English or French: words that `words.py` reads as the same schedule again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, time
from itertools import pairwise

from .rule import COUNTED_FROM, LAST, Days, Schedule

MOST_TIMES_LISTED = 4
_WORKDAYS, _WEEKEND = (0, 1, 2, 3, 4), (5, 6)


@dataclass(frozen=True, slots=True)
class Language:
    """Names and patterns of one language; `ordinal` writes the n-th."""

    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    conjunction: str
    ordinal: Callable[[int], str]
    counts: tuple[str, ...]
    patterns: dict[str, str]

    def listed(self, items: Sequence[str]) -> str:
        """“a, b and c”."""
        if len(items) < 2:
            return "".join(items)
        return f"{', '.join(items[:-1])} {self.conjunction} {items[-1]}"


def _english_ordinal(n: int) -> str:
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


_ENGLISH = Language(
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
     "December"),
    "and",
    _english_ordinal,
    ("first", "second", "third", "fourth", "fifth"),
    {
        "every day": "Every day", "weekdays": "Monday to Friday", "weekends": "Saturdays and Sundays", "plural": "{}s",
        "either": "{} as well as {}", "month days": "The {} of {}", "last day": "last day", "nth": "The {} {} of {}",
        "workdays": "The {} working day of {}", "last": "last", "each month": "each month", "in months": "{} in {}",
        "every weeks": "Every {} weeks on {}", "every days": "Every {} days", "starting": "{}, starting {}",
        "every minutes": "every {} minutes", "every minute": "every minute", "every hour": "every hour",
        "every hours": "every {} hours", "from to": "{} from {} to {}", "many": "{} times a day, {} to {}",
        "missing days": "Months without a {} are left out.",
        "forward": "Clocks go forward on {date}. {effect}", "back": "Clocks go back on {date}. {effect}",
        "stays": "The run stays at {time} local time.", "stay": "Runs stay at their local times.",
        "left out": "Left out as days off: {}.", "paces": "Runs keep their pace.",
        "moved": "There is no {from} on that day: the run comes at {to}.",
        "doubled": "{time} comes twice on that day: the run comes once, the first time.", "date": "{day} {month}",
    },
)
_FRENCH = Language(
    ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
     "décembre"),
    "et",
    lambda n: "1er" if n == 1 else str(n),
    ("premier", "deuxième", "troisième", "quatrième", "cinquième"),
    {
        "every day": "Tous les jours", "weekdays": "Du lundi au vendredi", "weekends": "Les samedis et dimanches",
        "plural": "{}s", "either": "{} ainsi que {}", "month days": "Le {} de {}", "last day": "dernier jour",
        "nth": "Le {} {} de {}", "workdays": "Le {} jour ouvré de {}", "last": "dernier",
        "each month": "chaque mois", "in months": "{} en {}", "every weeks": "Toutes les {} semaines, le {}",
        "every days": "Tous les {} jours", "starting": "{}, à partir du {}", "every minutes": "toutes les {} minutes",
        "every minute": "toutes les minutes", "every hour": "toutes les heures", "every hours": "toutes les {} heures",
        "from to": "{} de {} à {}", "many": "{} fois par jour, de {} à {}",
        "missing days": "Les mois sans {} sont laissés de côté.",
        "forward": "L’heure avance le {date}. {effect}", "back": "L’heure recule le {date}. {effect}",
        "stays": "L’exécution reste à {time}, heure locale.",
        "stay": "Les exécutions gardent leur heure locale.", "left out": "Jours laissés de côté : {}.",
        "paces": "Les exécutions gardent leur rythme.",
        "moved": "{from} n’existe pas ce jour-là : l’exécution a lieu à {to}.",
        "doubled": "{time} vient deux fois ce jour-là : l’exécution a lieu une fois, la première.",
        "date": "{day} {month}",
    },
)
LANGUAGES = {"en": _ENGLISH, "fr": _FRENCH}


def described(schedule: Schedule, language: str) -> str:
    """What was understood, such as “Mondays and Thursdays, 07:30”. An unknown language is English."""
    spoken = LANGUAGES.get(language, _ENGLISH)
    text = f"{_days(schedule.days, spoken)}, {_times(schedule, spoken)}"
    if schedule.days.counted_from != COUNTED_FROM:
        text = spoken.patterns["starting"].format(text, schedule.days.counted_from.isoformat())
    return text


def in_words(day: date, spoken: Language) -> str:
    """Such as 29 March."""
    return spoken.patterns["date"].format(day=day.day, month=spoken.months[day.month - 1])


def _days(days: Days, spoken: Language) -> str:
    if days.either and days.by_month:
        weekdays = _weekdays(days.weekdays, spoken)
        of_month = _of_month(days, spoken)
        return spoken.patterns["either"].format(of_month, weekdays) if days.weekdays else of_month
    if days.by_month:
        text = _of_month(days, spoken)
        return f"{text} ({_weekdays(days.weekdays, spoken)})" if days.weekdays else text
    text = _plain_days(days, spoken)
    months = [spoken.months[month - 1] for month in days.months]
    return spoken.patterns["in months"].format(text, spoken.listed(months)) if months else text


def _plain_days(days: Days, spoken: Language) -> str:
    if days.every_days > 1:
        return spoken.patterns["every days"].format(days.every_days)
    if days.every_weeks > 1:
        names = [spoken.weekdays[day] for day in days.weekdays or range(7)]
        return spoken.patterns["every weeks"].format(days.every_weeks, spoken.listed(names))
    return _weekdays(days.weekdays, spoken) if days.weekdays else spoken.patterns["every day"]


def _weekdays(weekdays: tuple[int, ...], spoken: Language) -> str:
    if weekdays == _WORKDAYS:
        return spoken.patterns["weekdays"]
    if weekdays == _WEEKEND:
        return spoken.patterns["weekends"]
    names = spoken.listed([spoken.patterns["plural"].format(spoken.weekdays[day]) for day in weekdays])
    return f"Les {names}" if spoken is _FRENCH else names


def _of_month(days: Days, spoken: Language) -> str:
    months = spoken.listed([spoken.months[month - 1] for month in days.months]) or spoken.patterns["each month"]
    parts = []
    if days.month_days:
        named = [spoken.ordinal(day) if day != LAST else spoken.patterns["last day"] for day in days.month_days]
        parts.append(spoken.patterns["month days"].format(spoken.listed(named), months))
    parts += [
        spoken.patterns["nth"].format(_count(n, spoken), spoken.weekdays[weekday], months) for n, weekday in days.nth
    ]
    parts += [spoken.patterns["workdays"].format(_count(n, spoken), months) for n in days.workdays]
    return spoken.listed([parts[0], *(part[0].lower() + part[1:] for part in parts[1:])])


def _count(n: int, spoken: Language) -> str:
    if n == LAST:
        return spoken.patterns["last"]
    return spoken.counts[n - 1] if n <= len(spoken.counts) else spoken.ordinal(n) + ("e" if spoken is _FRENCH else "")


def _times(schedule: Schedule, spoken: Language) -> str:
    times = [at.strftime("%H:%M") for at in schedule.times]
    step = _step_minutes(schedule.times)
    if step and (schedule.repeats or len(times) > MOST_TIMES_LISTED):
        interval = _interval(step, spoken)
        whole_day = schedule.times[0] == time(0, 0) and _minutes(schedule.times[-1]) + step >= 24 * 60
        return interval if whole_day else spoken.patterns["from to"].format(interval, times[0], times[-1])
    if len(times) > 2 * MOST_TIMES_LISTED:
        return spoken.patterns["many"].format(len(times), times[0], times[-1])
    return spoken.listed(times)


def _interval(step: int, spoken: Language) -> str:
    if step % 60:
        return spoken.patterns["every minute" if step == 1 else "every minutes"].format(step)
    return spoken.patterns["every hour" if step == 60 else "every hours"].format(step // 60)


def _step_minutes(times: tuple[time, ...]) -> int:
    """The same distance between all neighbours, 0 where there is none."""
    steps = {_minutes(later) - _minutes(at) for at, later in pairwise(times)}
    return steps.pop() if len(steps) == 1 else 0


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute
