"""The grammar of plain words: clauses in any order, each begun by a token that tells which one it is."""

from dataclasses import dataclass, field
from datetime import date

from postroom.terms.wording import Wording, worded

from . import vocabulary as tag
from .rule import LAST, ScheduleFault
from .tokens import Token, not_understood

WORKDAYS = (0, 1, 2, 3, 4)
WEEKEND = (5, 6)
_RANGE = (tag.TO, tag.AT, tag.AND)
_COUNTS = (tag.NUMBER, tag.ORDINAL)
_TIMES = (tag.AT, tag.TIME)
# What says neither days nor times, so that it parts none of those beside it.
_BESIDE = (tag.FROM, tag.START, tag.TO)


@dataclass(slots=True)
class Clauses:
    """What was said. `pairs` are days of named months, `step_minutes` an interval, `window` its first and last minute
    of the day, `month_step` months from January on. `day_lists` counts days that were said apart, with times between;
    `time_lists` are the minutes of the day of times that were."""

    weekdays: set[int] = field(default_factory=set)
    excepted: set[int] = field(default_factory=set)
    month_days: set[int] = field(default_factory=set)
    nth: set[tuple[int, int]] = field(default_factory=set)
    workdays: set[int] = field(default_factory=set)
    months: set[int] = field(default_factory=set)
    pairs: set[tuple[int, int]] = field(default_factory=set)
    day_lists: int = 0
    time_lists: list[set[int]] = field(default_factory=list)
    window: tuple[int, int] | None = None
    step_minutes: int = 0
    any_day: bool = False
    every_days: int = 1
    every_weeks: int = 0
    month_step: int = 0
    start: date | None = None

    @property
    def minutes(self) -> set[int]:
        return set().union(*self.time_lists)


class Grammar:
    """Reads tokens from left to right; every clause takes at least one, so that it ends."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._at = tokens, 0
        self._of_month = any(token.tag == tag.MONTH for token in tokens)
        self._is_at_times: bool | None = None
        self.said = Clauses()

    def read(self) -> Clauses:
        """Raises ScheduleFault for the first token that begins no clause."""
        clauses = {
            tag.EVERY: self._every, tag.AT: self._times, tag.TIME: self._times, tag.FROM: self._from,
            tag.WEEKDAY: self._weekdays, tag.MONTH_NAME: self._months, tag.ORDINAL: self._of_month_days,
            tag.NUMBER: self._of_month_days, tag.LAST: self._of_month_days, tag.WORKDAY: self._workdays,
            tag.WEEKEND: self._weekend, tag.START: self._start, tag.EXCEPT: self._except, tag.DAY: self._numbered_day,
            tag.TO: self._toward,
        }
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.tag in (tag.AND, tag.MONTH, tag.YEAR, tag.WEEK):
                self._at += 1
            elif (clause := clauses.get(token.tag)) is not None:
                self._begin_list(token)
                clause()
            else:
                raise not_understood(token.text)
        return self.said

    def _begin_list(self, token: Token) -> None:
        """Days after times, or times after days, are a list of their own."""
        is_time = token.tag in _TIMES
        if token.tag in _BESIDE or is_time is self._is_at_times:
            return
        self._is_at_times = is_time
        if is_time:
            self.said.time_lists.append(set())
        else:
            self.said.day_lists += 1

    def _tag(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].tag if at < len(self._tokens) else ""

    def _next(self) -> Token:
        if self._at >= len(self._tokens):
            raise _fault(worded("Something is missing at the end. Write such as “every weekday at 07:30”."))
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, *tags: str) -> bool:
        if self._tag() in tags:
            self._at += 1
            return True
        return False

    def _expect(self, *tags: str) -> Token:
        token = self._next()
        if token.tag not in tags:
            raise not_understood(token.text)
        return token

    def _every(self) -> None:
        self._next()
        self._take(tag.EVERY)
        if self._tag() == tag.OTHER:
            self._next()
            self._take_interval(2)
        elif self._counts_intervals():
            self._take_interval(self._next().value)
        elif self._tag() in (tag.MINUTE, tag.HOUR, tag.DAY, tag.WEEK, tag.MONTH, tag.QUARTER, tag.YEAR):
            self._take_interval(1)

    def _counts_intervals(self) -> bool:
        """“Every second Monday” is every other one, “every second Monday of the month” is the second of each."""
        if self._tag() == tag.NUMBER:
            return self._tag(1) != tag.MONTH_NAME
        units = (tag.WEEKDAY, tag.DAY, tag.WEEK, tag.MONTH, tag.HOUR, tag.MINUTE)
        return self._tag() == tag.ORDINAL and not self._of_month and self._tag(1) in units

    def _take_interval(self, count: int) -> None:
        unit = self._tag()
        if unit == tag.WEEKDAY:
            self.said.every_weeks = _within(count, 52)
            return
        self._expect(tag.MINUTE, tag.HOUR, tag.DAY, tag.WEEK, tag.MONTH, tag.QUARTER, tag.YEAR)
        if unit == tag.MINUTE:
            self.said.step_minutes = _within(count, 720)
        elif unit == tag.HOUR:
            self.said.step_minutes = _within(count, 12) * 60
        elif unit == tag.DAY:
            self.said.every_days, self.said.any_day = _within(count, 366), True
        elif unit == tag.WEEK:
            self.said.every_weeks = _within(count, 52)
        else:
            self.said.month_step = _dividing_a_year(count * {tag.MONTH: 1, tag.QUARTER: 3, tag.YEAR: 12}[unit])

    def _times(self) -> None:
        said_at = self._take(tag.AT)
        while True:
            self._take(tag.AT)
            token = self._expect(tag.TIME, tag.NUMBER) if said_at else self._expect(tag.TIME)
            self.said.time_lists[-1].add(_minutes(token))
            ahead = 1 if self._tag() == tag.AND else 0
            ahead += self._tag(ahead) == tag.AT
            another = self._tag(ahead) == tag.TIME or (said_at and self._is_hour(ahead))
            if not ahead or not another:
                return
            self._take(tag.AND)

    def _is_hour(self, ahead: int) -> bool:
        """A bare number goes on a list of times, unless it is the day of a month that is named beside it."""
        return self._tag(ahead) == tag.NUMBER and self._tag(ahead + 1) not in (tag.MONTH_NAME, tag.MONTH)

    def _from(self) -> None:
        self._next()
        if self._tag() not in (tag.TIME, tag.NUMBER) or self._tag(1) not in _RANGE:
            return
        first = _minutes(self._next())
        self._expect(*_RANGE)
        self._take(tag.AT)
        last = _minutes(self._expect(tag.TIME, tag.NUMBER))
        if last <= first:
            raise _fault(worded("The end of the time span must be later than its beginning, on the same day."))
        self.said.window = (first, last)

    def _weekdays(self) -> None:
        self.said.weekdays |= self._weekday_range()

    def _weekday_range(self) -> set[int]:
        first = self._expect(tag.WEEKDAY).value
        if self._tag() == tag.TO and self._tag(1) == tag.WEEKDAY:
            self._next()
            last = self._next().value
            return {(first + step) % 7 for step in range((last - first) % 7 + 1)}
        return {first}

    def _workdays(self) -> None:
        self._next()
        self.said.weekdays |= set(WORKDAYS)

    def _weekend(self) -> None:
        self._next()
        self.said.weekdays |= set(WEEKEND)

    def _months(self) -> None:
        first = self._next().value
        if self._tag() == tag.TO and self._tag(1) == tag.MONTH_NAME:
            self._next()
            last = self._next().value
            self.said.months |= {(first + step - 1) % 12 + 1 for step in range((last - first) % 12 + 1)}
        elif self._tag() in _COUNTS and self._tag(1) not in (tag.MONTH_NAME, tag.WEEKDAY, tag.DAY, tag.WORKDAY):
            self.said.pairs.add((_month_day(self._next()), first))
        else:
            self.said.months.add(first)

    def _of_month_days(self) -> None:
        """“first and last working day”, “1st and 15th”, “1 January”: counts, then what they count."""
        counts = [self._count()]
        while self._tag() == tag.AND and self._tag(1) in (*_COUNTS, tag.LAST):
            self._next()
            counts.append(self._count())
        unit = self._tag()
        if unit == tag.WEEKDAY:
            weekday = self._next().value
            self.said.nth |= {(_nth(count), weekday) for count in counts}
        elif unit == tag.WORKDAY:
            self._next()
            self.said.workdays |= {count if count == LAST else _within(count, 20) for count in counts}
        elif unit == tag.MONTH_NAME:
            months = self._month_list()
            self.said.pairs |= {(_valid_day(count), month) for count in counts for month in months}
        elif unit in (tag.MINUTE, tag.HOUR, tag.WEEK):
            raise not_understood(self._next().text)
        else:
            self._take_day()
            self.said.month_days |= {_valid_day(count) for count in counts}

    def _month_list(self) -> list[int]:
        """“January, April and July”: a month with a day of its own before it goes no further."""
        months = [self._next().value]
        while self._tag() == tag.AND and self._tag(1) == tag.MONTH_NAME and self._tag(2) not in _COUNTS:
            self._next()
            months.append(self._next().value)
        return months

    def _take_day(self) -> None:
        if self._take(tag.DAY) and self._take(tag.WORKDAY):
            raise not_understood(self._tokens[self._at - 1].text)

    def _count(self) -> int:
        token = self._next()
        if token.tag == tag.LAST:
            return LAST
        if self._tag() == tag.LAST:
            raise not_understood(token.text)
        return token.value

    def _numbered_day(self) -> None:
        """“day 15 of the month”; a day alone says nothing."""
        self._next()
        if self._tag() in _COUNTS:
            self.said.month_days.add(_month_day(self._next()))

    def _start(self) -> None:
        self._next()
        token = self._expect(tag.DATE)
        self.said.start = token.day

    def _except(self) -> None:
        self._next()
        while True:
            if self._take(tag.WEEKEND):
                self.said.excepted |= set(WEEKEND)
            else:
                self.said.excepted |= self._weekday_range()
            if self._tag() != tag.AND or self._tag(1) not in (tag.WEEKDAY, tag.WEEKEND):
                return
            self._next()

    def _toward(self) -> None:
        """The French “au” before a count only leads to it."""
        token = self._next()
        if token.text != "au" or self._tag() not in (*_COUNTS, tag.LAST):
            raise not_understood(token.text)


def _fault(text: Wording) -> ScheduleFault:
    return ScheduleFault("words", text)


def _minutes(token: Token) -> int:
    if token.tag == tag.TIME:
        return token.value
    if token.value > 23:
        raise _fault(worded("There is no time {text}. Write it such as 07:30.", text=token.text))
    return token.value * 60


def _within(count: int, most: int) -> int:
    if not 1 <= count <= most:
        raise _fault(worded("{count} is too many or too few here: write 1 to {most}.", count=count, most=most))
    return count


def _dividing_a_year(months: int) -> int:
    if months not in (1, 2, 3, 4, 6, 12):
        raise _fault(worded("Every {count} months does not divide a year. Name the months instead.", count=months))
    return months


def _nth(count: int) -> int:
    return count if count == LAST else _within(count, 5)


def _month_day(token: Token) -> int:
    return _valid_day(token.value)


def _valid_day(count: int) -> int:
    return count if count == LAST else _within(count, 31)
