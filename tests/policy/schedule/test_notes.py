"""What is said beside the next instants: clock changes, missing days, days off, in English and French."""

from datetime import UTC, datetime

import pytest

from postroom.policy.schedule import days_off, instants, notes, parsed

MARCH, OCTOBER = datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)
SAID = [
    ("every Monday and Thursday at 07:30", "Europe/Berlin", MARCH,
     "Clocks go forward on 29 March. The run stays at 07:30 local time."),
    ("every day at 02:30", "Europe/Berlin", MARCH,
     "Clocks go forward on 29 March. There is no 02:30 on that day: the run comes at 03:00."),
    ("every day at 02:30", "Europe/Berlin", OCTOBER,
     "Clocks go back on 25 October. 02:30 comes twice on that day: the run comes once, the first time."),
    ("every day at 00:30", "America/Santiago", datetime(2026, 9, 5, tzinfo=UTC),
     "Clocks go forward on 6 September. There is no 00:30 on that day: the run comes at 01:00."),
    ("every 6 hours", "Europe/Berlin", OCTOBER, "Clocks go back on 25 October. Runs stay at their local times."),
    ("the 31st at 8", "UTC", MARCH, "Months without a 31st are left out."),
]


@pytest.mark.parametrize(("said", "zone", "after", "expected"), SAID)
def test_what_a_clock_change_does_to_the_next_runs_is_said_beside_them(
    said: str, zone: str, after: datetime, expected: str
) -> None:
    schedule = parsed(said, zone)
    assert notes(schedule, after, instants(schedule, after), "en") == [expected]


def test_notes_are_told_in_french() -> None:
    schedule = parsed("le 31 à 8h", "Europe/Paris")
    told = notes(schedule, MARCH, instants(schedule, MARCH, count=2), "fr")
    assert told == [
        "L’heure avance le 29 mars. L’exécution reste à 08:00, heure locale.", "Les mois sans 31 sont laissés de côté.",
    ]


def test_days_off_among_the_next_runs_are_named() -> None:
    schedule, calendar = parsed("every day at 8", "UTC"), days_off([], ["2026-03-28", "2026-03-30"])
    found = instants(schedule, MARCH, calendar)
    assert notes(schedule, MARCH, found, "en", calendar) == ["Left out as days off: 28 March and 30 March."]


def test_without_anything_to_wonder_about_nothing_is_said() -> None:
    schedule = parsed("weekdays at 8", "UTC")
    assert notes(schedule, MARCH, instants(schedule, MARCH), "en") == []
    assert notes(schedule, MARCH, [], "en") == []
