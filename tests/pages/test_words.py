"""Times and sizes in words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from postroom.pages import words

NOW = datetime(2026, 3, 12, 13, 32, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(3, "less than a minute"), (60, "1 minute"), (720, "12 minutes"), (7_300, "2 hours"), (90_000, "1 day")],
)
def test_a_span_is_coarse(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


def test_a_due_time_comes_in_words_first_then_by_the_clock_of_the_reader() -> None:
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert words.until(NOW + timedelta(minutes=6), NOW) == "in 6 minutes, at 14:38"
        assert words.until(NOW - timedelta(minutes=6), NOW) == "now"


def test_days_are_those_of_the_reader_not_of_utc() -> None:
    with timezone.override(ZoneInfo("Pacific/Auckland")):
        assert words.day_and_clock(NOW, NOW) == "today, 02:32"
        assert words.day(NOW - timedelta(hours=4), NOW) == "yesterday"
        assert words.day(NOW - timedelta(days=400), NOW).endswith("2025")


@pytest.mark.parametrize(
    ("octets", "said"), [(0, "0 B"), (2_048, "2 kB"), (1_887_437, "1.8 MB"), (157_286_400, "150 MB"), (5 << 30, "5 GB")]
)
def test_sizes_are_in_powers_of_1024(octets: int, said: str) -> None:
    assert words.size(octets) == said


def test_an_abbreviation_keeps_its_capitals_within_a_sentence() -> None:
    assert words.first_lower("SMTP AUTH is off.") == "SMTP AUTH is off"
    assert words.first_lower("The password is wrong.") == "the password is wrong"
    assert words.first_lower("Amazon SES wants its own password") == "Amazon SES wants its own password"
    assert words.first_lower("Host Name is not a valid name") == "Host Name is not a valid name"
