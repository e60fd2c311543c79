"""The bars of a period begin on the reader's clock, also on days on which clocks change."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation

from postroom.pages.queries.period import Period

BERLIN = "Europe/Berlin"


@pytest.fixture(autouse=True)
def _reader() -> Iterator[None]:
    with timezone.override(BERLIN), translation.override("en"):
        yield


def lengths(period: Period) -> list[timedelta]:
    return [b.astimezone(UTC) - a.astimezone(UTC) for a, b in pairwise(period.bounds)]


def test_a_day_ends_with_the_half_hour_that_is_under_way() -> None:
    period = Period.of("day", datetime(2026, 3, 12, 13, 32, tzinfo=UTC))
    assert len(period.starts) == 48
    assert [f"{at:%d %H:%M}" for at in (period.bounds[0], period.bounds[-1])] == ["11 15:00", "12 15:00"]
    assert period.spans[-1] == "14:30–15:00"
    assert [label for label in period.labels() if label][:3] == ["15:00", "18:00", "21:00"]


def test_another_name_than_those_of_periods_means_24_hours() -> None:
    assert Period.of("<script>").slug == "day"


def test_the_day_on_which_clocks_go_forward_is_one_bar_of_23_hours() -> None:
    period = Period.of("month", datetime(2026, 4, 10, 12, 0, tzinfo=UTC))
    assert {f"{at:%H:%M}" for at in period.bounds} == {"00:00"}
    short = [span for span, length in zip(period.spans, lengths(period), strict=True) if length != timedelta(days=1)]
    assert (short, lengths(period).count(timedelta(hours=23))) == (["Sun 29 Mar"], 1)


def test_the_night_on_which_clocks_go_back_is_one_bar_of_four_hours() -> None:
    period = Period.of("week", datetime(2026, 10, 27, 12, 0, tzinfo=UTC))
    assert {at.hour % 3 for at in period.bounds} == {0}
    assert [n for n, length in enumerate(lengths(period)) if length == timedelta(hours=4)] == [
        period.starts.index(datetime(2026, 10, 25, tzinfo=ZoneInfo(BERLIN)))
    ]


def test_half_hours_stay_half_hours_when_clocks_change() -> None:
    for now in (datetime(2026, 10, 25, 1, 10, tzinfo=UTC), datetime(2026, 3, 29, 2, 10, tzinfo=UTC)):
        assert set(lengths(Period.of("day", now))) == {timedelta(minutes=30)}


def test_bars_begin_on_the_quarters_of_a_zone_that_is_off_by_45_minutes() -> None:
    with timezone.override("Asia/Kathmandu"):
        period = Period.of("day", datetime(2026, 3, 12, 13, 32, tzinfo=UTC))
    assert {at.minute for at in period.bounds} == {0, 30}


def test_the_last_bar_of_every_period_holds_the_present() -> None:
    now = datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC)
    for slug in ("hour", "day", "week", "month"):
        period = Period.of(slug, now)
        assert period.starts[-1] <= now < period.bounds[-1]
