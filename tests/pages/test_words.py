"""Times and sizes in words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template
from django.utils import timezone, translation

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


def test_french_has_its_own_numbers_units_clocks_and_days() -> None:
    with translation.override("fr"), timezone.override(ZoneInfo("Europe/Paris")):
        assert words.number(12_345) == "12\u202f345"
        assert words.number(1.5, 1) == "1,5"
        assert words.size(1_887_437) == "1,8\u00a0Mo"
        assert words.short_span(720) == "12\u00a0min"
        assert words.short_span(3 * 86_400) == "3\u00a0j"
        assert words.ago(NOW - timedelta(minutes=12), NOW) == "il y a 12\u00a0min"
        assert words.until(NOW + timedelta(minutes=6), NOW) == "dans 6 minutes, à 14:38"
        assert words.day_and_clock(NOW, NOW) == "aujourd’hui, 14:32"
        assert words.date(NOW, NOW) == "12 mars"
        assert words.date_with_year(NOW - timedelta(days=30)) == "10 fév. 2026"
        assert words.weekday_and_date(NOW) == "jeu 12 mars"


def test_french_says_one_of_less_than_two() -> None:
    with translation.override("fr"):
        assert words.count(0, "jour", "jours") == "0 jour"
        assert words.span(86_400) == "1 jour"
        assert words.span(2 * 86_400) == "2 jours"


def test_a_french_title_within_a_sentence_loses_its_capital_only_where_it_is_no_name() -> None:
    with translation.override("fr"):
        assert words.first_lower("Le serveur refuse.") == "le serveur refuse"
        assert words.first_lower("L'adresse est vide.") == "l'adresse est vide"
        assert words.first_lower("Gmail refuse.") == "Gmail refuse"


def test_a_number_in_an_attribute_keeps_its_point_in_french() -> None:
    with translation.override("fr"):
        assert Template("{{ width }}").render(Context({"width": 12.5})) == "12.5"
