"""Calendars of days off: what is taken, who keeps them, and what a change of one moves."""

from datetime import timedelta

import pytest
from django.utils import timezone

from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.subscriptions.holiday_calendars import add_calendar, change_calendar, put_back, remove_calendar
from postroom.flow.subscriptions.schedules import next_instant
from postroom.store.models import AuditEntry, HolidayCalendar, ReportSource, Subscription

pytestmark = pytest.mark.django_db
ACTOR = "lena@norrvik.example"
EVERY_DAY = {"words": "every day at 08:00", "time_zone": "UTC"}


def calendar(**values: object) -> HolidayCalendar:
    return add_calendar({"name": "Ours", "countries": [], "days": [], **values}, ACTOR)


def test_countries_are_taken_by_code_or_english_name_and_days_in_order() -> None:
    row = calendar(countries=["germany", "se", "DE-BY", "DE"], days=["2027-12-24", " 2027-01-02 ", "2027-12-24"])
    assert row.countries == ["DE", "SE", "DE-BY"]
    assert row.days == ["2027-01-02", "2027-12-24"]
    assert AuditEntry.objects.get(action="calendar.add").changes["calendar"]["countries"] == ["DE", "SE", "DE-BY"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"), ({"name": "x" * 101}, "name"), ({"countries": ["Atlantis"]}, "countries"),
        ({"countries": ["DE-XX"]}, "countries"), ({"days": ["24.12.2027"]}, "days"), ({"days": ["2027-02-29"]}, "days"),
        ({"days": [f"{year}-01-01" for year in range(1000, 2001)]}, "days"),
    ],
)
def test_what_can_not_be_taken_is_refused_by_field_and_nothing_is_kept(values: dict[str, object], field: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        calendar(**values)
    assert [problem.field for problem in refused.value.problems] == [field]
    assert not HolidayCalendar.objects.exists()
    assert not AuditEntry.objects.exists()


def test_two_calendars_have_no_name_in_common() -> None:
    calendar()
    with pytest.raises(SettingsRefused):
        calendar()


def test_a_change_of_a_calendar_moves_the_next_instant_of_who_uses_it_in_the_same_commit() -> None:
    row, source = calendar(), ReportSource.objects.create(name="Pushed", kind="pushed")
    due = next_instant(EVERY_DAY, row, timezone.now())
    assert due is not None
    subscription = Subscription.objects.create(
        name="Daily", list_name="daily", source=source, schedule=EVERY_DAY, calendar=row, next_at=due
    )
    change_calendar(row.pk, {"days": [due.date().isoformat()]}, ACTOR)
    subscription.refresh_from_db()
    assert subscription.next_at == due + timedelta(days=1)
    change_calendar(row.pk, {"days": []}, ACTOR)
    subscription.refresh_from_db()
    assert subscription.next_at == due
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == [
        "calendar.add", "calendar.change", "calendar.change",
    ]


def test_a_calendar_in_use_stays_and_names_who_uses_it() -> None:
    row, source = calendar(), ReportSource.objects.create(name="Pushed", kind="pushed")
    Subscription.objects.create(name="Daily", list_name="daily", source=source, calendar=row)
    with pytest.raises(NotPossible, match="Daily"):
        remove_calendar(row.pk, ACTOR)
    assert HolidayCalendar.objects.exists()


def test_a_removed_calendar_can_be_put_back_once() -> None:
    row = calendar(countries=["SE"])
    removal = remove_calendar(row.pk, ACTOR)
    assert not HolidayCalendar.objects.exists()
    back = put_back(removal, ACTOR)
    assert (back.pk, back.countries) == (row.pk, ["SE"])
    with pytest.raises(NotPossible):
        put_back(removal, ACTOR)
