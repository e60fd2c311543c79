"""What people write about when a report is due, and what is understood of it."""

from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.policy.schedule import Days, Schedule, ScheduleFault, described, instants, parsed
from postroom.policy.schedule.rule import COUNTED_FROM, LAST

WEEKDAYS = (0, 1, 2, 3, 4)
SAID = [
    ("every Monday and Thursday at 07:30", Days(weekdays=(0, 3)), ["07:30"]),
    ("Mondays & Thursdays 7:30am", Days(weekdays=(0, 3)), ["07:30"]),
    ("weekdays at 8", Days(weekdays=WEEKDAYS), ["08:00"]),
    ("Mon-Fri 7:30", Days(weekdays=WEEKDAYS), ["07:30"]),
    ("every working day at 8 o'clock", Days(weekdays=WEEKDAYS), ["08:00"]),
    ("daily at 8 and 17:30", Days(), ["08:00", "17:30"]),
    ("Mondays at 8:00 and Fridays at 8:00", Days(weekdays=(0, 4)), ["08:00"]),
    ("at 8 and 9 on Mondays and Fridays", Days(weekdays=(0, 4)), ["08:00", "09:00"]),
    ("every day except Saturday and Sunday at noon", Days(weekdays=WEEKDAYS), ["12:00"]),
    ("at midnight every day", Days(), ["00:00"]),
    ("on the first Monday of the month at 9am", Days(nth=((1, 0),)), ["09:00"]),
    ("every second Monday of the month at 8", Days(nth=((2, 0),)), ["08:00"]),
    ("every second Monday at 8", Days(weekdays=(0,), every_weeks=2), ["08:00"]),
    ("every other week on Friday at 16:00", Days(weekdays=(4,), every_weeks=2), ["16:00"]),
    ("fortnightly on Friday at 16:00", Days(weekdays=(4,), every_weeks=2), ["16:00"]),
    ("last working day of the month at 18:00", Days(workdays=(LAST,)), ["18:00"]),
    ("the 1st and 15th at 9:30", Days(month_days=(1, 15)), ["09:30"]),
    ("on the 1st and last day of each month at 6 pm", Days(month_days=(1, LAST)), ["18:00"]),
    ("quarterly at 08:00", Days(month_days=(1,), months=(1, 4, 7, 10)), ["08:00"]),
    ("1 January and 1 July at 06:00", Days(month_days=(1,), months=(1, 7)), ["06:00"]),
    ("January 1st at 6:00", Days(month_days=(1,), months=(1,)), ["06:00"]),
    ("Mondays in March and April, 08:00", Days(weekdays=(0,), months=(3, 4)), ["08:00"]),
    ("every 10 days at 8:00 starting 2026-12-01", Days(every_days=10, counted_from=date(2026, 12, 1)), ["08:00"]),
    ("every 6 hours", Days(), ["00:00", "06:00", "12:00", "18:00"]),
    ("every 30 minutes between 8:00 and 9:00 on weekdays", Days(weekdays=WEEKDAYS), ["08:00", "08:30", "09:00"]),
    ("tous les lundis et jeudis à 7h30", Days(weekdays=(0, 3)), ["07:30"]),
    ("chaque jour ouvré à 8 h", Days(weekdays=WEEKDAYS), ["08:00"]),
    ("du lundi au vendredi à 8 heures", Days(weekdays=WEEKDAYS), ["08:00"]),
    ("le premier lundi du mois à 9h", Days(nth=((1, 0),)), ["09:00"]),
    ("le 1er et le 15 de chaque mois à 8h", Days(month_days=(1, 15)), ["08:00"]),
    ("le dernier jour ouvré du mois à 18h", Days(workdays=(LAST,)), ["18:00"]),
    ("une semaine sur deux le lundi à 8h", Days(weekdays=(0,), every_weeks=2), ["08:00"]),
    ("chaque année le 1er janvier à midi", Days(month_days=(1,), months=(1,)), ["12:00"]),
    ("tous les jours sauf le dimanche à 8h", Days(weekdays=(0, 1, 2, 3, 4, 5)), ["08:00"]),
    ("toutes les 30 minutes de 8h à 9h", Days(), ["08:00", "08:30", "09:00"]),
    ("30 7 * * 1-5", Days(weekdays=WEEKDAYS), ["07:30"]),
    ("0 8,12 1,L * *", Days(month_days=(1, LAST)), ["08:00", "12:00"]),
    ("0 8 * 1-6 MON#1", Days(nth=((1, 0),), months=(1, 2, 3, 4, 5, 6)), ["08:00"]),
    ("@daily", Days(), ["00:00"]),
]
REFUSED = [
    ("every Monday", "at what time"),
    ("", "at what time"),
    ("foo at 8", "foo"),
    ("every Monday at 25:00", "25:00"),
    ("every Monday at 13 pm", "13 pm"),
    ("le 31 février à 8h", "No such day"),
    ("on the 30th of February at 8:00", "No such day"),
    ("every Monday on the 1st at 8", "not both"),
    ("every 10 minutes at 8:00", "not both"),
    ("every 5 months at 8:00", "divide a year"),
    ("from 8:00 to 18:00", "how often"),
    ("every 5 minutes from 18:00 to 8:00", "later than its beginning"),
    ("1 January and 2 February at 8", "Several days"),
    ("weekends except weekends at 8", "No day is left"),
    ("mondays at 8 and fridays at 9", "Days with different times"),
    ("at 8 on mondays and at 9 on fridays", "Days with different times"),
    ("every day at 8 and on sunday at 10", "Days with different times"),
    ("mondays at 8 and 9 and fridays at 9", "Days with different times"),
    ("1 January at 8 and 1 July at 9:00", "Days with different times"),
    ("du lundi au vendredi à 8h et le samedi à 9h", "Days with different times"),
    ("twice a day", "twice"),
    ("every 2026-02-30 at 8", "2026-02-30"),
    ("every day at 8 " * 20, "200"),
    ("0 8 31 2 *", "cron"),
    ("0 0 8 * * 1", "cron"),
    ("61 8 * * *", "cron"),
    ("0 8 */2 * MON#1", "don't go with"),
    ("@reboot", "cron"),
]


@pytest.mark.parametrize(("said", "days", "times"), SAID)
def test_plain_words_and_cron_give_the_days_and_times_that_they_say(said: str, days: Days, times: list[str]) -> None:
    read = parsed(said, "Europe/Berlin")
    assert read.days == days
    assert [at.strftime("%H:%M") for at in read.times] == times


@pytest.mark.parametrize(("said", "told"), REFUSED)
def test_what_is_not_understood_is_refused_with_what_to_write(said: str, told: str) -> None:
    with pytest.raises(ScheduleFault) as refused:
        parsed(said, "Europe/Berlin")
    assert told in refused.value.text


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "UTC\n", "x" * 99])
def test_what_is_no_time_zone_is_refused_as_one(zone: str) -> None:
    with pytest.raises(ScheduleFault) as refused:
        parsed("every day at 8", zone)
    assert refused.value.field == "time_zone"


@pytest.mark.parametrize("said", [said for said, _, _ in SAID])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_was_understood_is_told_in_words_that_mean_the_same(said: str, language: str) -> None:
    read = parsed(said, "Europe/Berlin")
    assert parsed(described(read, language), "Europe/Berlin") == read


def test_what_was_understood_is_told_as_a_person_would() -> None:
    read = parsed("every Monday and Thursday at 07:30", "Europe/Berlin")
    assert described(read, "en") == "Mondays and Thursdays, 07:30"
    assert described(read, "fr") == "Les lundis et jeudis, 07:30"
    assert described(parsed("0 8 13 * FRI", "UTC"), "en") == "The 13th of each month as well as Fridays, 08:00"
    assert described(parsed("7,19,40 * * * *", "UTC"), "en") == "Every day, 72 times a day, 00:07 to 23:40"


_some_weekdays = st.sets(st.integers(0, 6), max_size=6).map(lambda days: tuple(sorted(days)))
_some_months = st.sets(st.integers(1, 12), max_size=11).map(lambda months: tuple(sorted(months)))
_month_days = st.sets(st.integers(1, 28) | st.just(LAST), min_size=1, max_size=5).map(
    lambda days: tuple(sorted(days, key=lambda day: (day == LAST, day)))
)
_counts = st.integers(1, 5) | st.just(LAST)
_days = st.one_of(
    st.builds(Days, weekdays=_some_weekdays, months=_some_months),
    st.builds(Days, month_days=_month_days, months=_some_months),
    st.builds(Days, nth=st.tuples(st.tuples(_counts, st.integers(0, 6)))),
    st.builds(Days, workdays=st.tuples(st.integers(1, 20) | st.just(LAST))),
    st.builds(
        Days, weekdays=_some_weekdays.filter(bool), every_weeks=st.integers(2, 52),
        counted_from=st.dates(date(2020, 1, 1), date(2030, 1, 1)) | st.just(COUNTED_FROM),
    ),
    st.builds(Days, every_days=st.integers(2, 366)),
)
_times = st.sets(
    st.builds(time, st.integers(0, 23), st.integers(0, 59)), min_size=1, max_size=4
).map(lambda times: tuple(sorted(times)))


@given(_days, _times, st.sampled_from(["en", "fr"]))
@settings(max_examples=400, deadline=None)
def test_every_schedule_can_be_told_in_words_that_read_as_itself(
    days: Days, times: tuple[time, ...], language: str
) -> None:
    schedule = Schedule("Europe/Paris", days, times)
    assert parsed(described(schedule, language), "Europe/Paris") == schedule


PIECES = (
    "every the at and to from between first last second monday mondays day days month week hour minutes 8 08:00 7h30 "
    "1st 15 31 january february except starting 2026-12-01 , - weekday noon midnight tous les chaque lundi mois le du "
    "au dernier jour ouvré à heures sauf mars * */5 0 1-5 @ ' . é \u200b 中 ٣ \x00"
)
_pieces = st.sampled_from(PIECES.split(" "))


@given(st.lists(_pieces, max_size=40).map(" ".join) | st.text(max_size=250))
@settings(max_examples=1500, deadline=None)
def test_b12_whatever_is_written_is_a_schedule_or_refused_with_a_text(written: str) -> None:
    try:
        schedule = parsed(written, "Europe/Berlin")
    except ScheduleFault:
        return
    assert schedule.times
    assert described(schedule, "en")
    assert described(schedule, "fr")
    assert instants(schedule, datetime(2026, 11, 22, tzinfo=UTC), count=1)


@pytest.mark.parametrize("piece", ["every ", "at 8 and ", "1st and ", "monday to ", "-", "'", "8", "é", "* ", "a day "])
def test_b12_a_long_text_costs_no_more_than_a_look_at_its_beginning(piece: str) -> None:
    with pytest.raises(ScheduleFault):
        parsed(piece * (1_000_000 // len(piece)), "UTC")
