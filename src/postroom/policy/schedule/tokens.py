"""From words to tagged tokens. One pass, so that the time it takes grows with the length of the text alone."""

import re
from dataclasses import dataclass
from datetime import date

from postroom.terms.wording import worded

from .rule import ScheduleFault
from .vocabulary import DATE, FILLER, NUMBER, ORDINAL, TIME, Vocabulary, folded

LONGEST = 200

_TOKEN = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})(?!\d)"
    r"|(?P<hour>\d{1,2})(?::|\.|\s?h\s?|\s?heures?\s)(?P<minute>\d{2})(?!\d)(?:\s?(?P<half>[ap])\.?m\b\.?)?"
    r"|(?P<sharp>\d{1,2})\s?(?:(?P<sharp_half>[ap])\.?m\b\.?|(?:h|heures?)(?!\w))"
    r"|(?P<ordinal>\d{1,2})(?:st|nd|rd|th|ere|er|eme|e)(?!\w)"
    r"|(?P<number>\d{1,4})(?!\w)"
    r"|(?P<word>[^\W\d_]+\.?(?:'(?=[^\W\d_]))?|[,;&@-])"
    r"|(?P<space>\s+)"
    r"|(?P<strange>.)",
    re.ASCII | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """`value` is a number, a weekday, a month or minutes since midnight, as the tag has it; `day` that of a DATE."""

    tag: str
    value: int
    text: str
    day: date | None = None


def tokens_of(text: str, vocabulary: Vocabulary) -> list[Token]:
    """Without fillers. Raises ScheduleFault for what no word of the vocabulary is."""
    plain = folded(text)
    if len(plain) > LONGEST:
        raise ScheduleFault("words", worded("Use at most {most} characters.", most=LONGEST))
    for phrase, replacement in vocabulary.phrases:
        plain = phrase.sub(replacement, plain)
    found = (_token(match, vocabulary) for match in _TOKEN.finditer(plain) if match.lastgroup != "space")
    return [token for token in found if token.tag != FILLER]


def _token(match: re.Match[str], vocabulary: Vocabulary) -> Token:
    text = match.group()
    if match["date"]:
        return Token(DATE, 0, text, _day(text))
    if match["hour"]:
        return Token(TIME, _minutes(match["hour"], match["minute"], match["half"], text), text)
    if match["sharp"]:
        return Token(TIME, _minutes(match["sharp"], "0", match["sharp_half"], text), text)
    if match["ordinal"]:
        return Token(ORDINAL, int(match["ordinal"]), text)
    if match["number"]:
        return Token(NUMBER, int(match["number"]), text)
    meaning = vocabulary.words.get(text.rstrip("'")) or vocabulary.words.get(text.rstrip("'."))
    if meaning is None or match["strange"]:
        raise not_understood(text)
    return Token(meaning[0], meaning[1], text)


def not_understood(text: str) -> ScheduleFault:
    return ScheduleFault("words", worded(
        "“{text}” is not understood. Write such as “every Monday and Thursday at 07:30”, or choose days and times.",
        text=text,
    ))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ScheduleFault("words", worded(
            "There is no day {text}. Write it such as 2027-01-31.", text=text
        )) from None


def _minutes(hour: str, minute: str, half: str | None, text: str) -> int:
    hours, minutes = int(hour), int(minute)
    if half and 1 <= hours <= 12:
        hours = hours % 12 + (12 if half == "p" else 0)
    elif half or hours > 23:
        raise _no_time(text)
    if minutes > 59:
        raise _no_time(text)
    return hours * 60 + minutes


def _no_time(text: str) -> ScheduleFault:
    return ScheduleFault("words", worded("There is no time {text}. Write it such as 07:30.", text=text.strip()))
