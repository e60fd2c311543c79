"""Schedules explained and holiday calendars kept over the API."""

from typing import Any

import pytest

from postroom.store.models import AuditEntry, HolidayCalendar, ReportSource, Subscription

from .conftest import Call

EXPLAIN, CALENDARS = "/api/v1/schedules/explain", "/api/v1/holiday-calendars"


def test_a_schedule_is_explained_with_its_next_instants_and_what_a_clock_change_does(admin: Call) -> None:
    body = {"words": "every day at 02:30", "time_zone": "Europe/Berlin", "after": "2027-03-26T12:00:00Z", "count": 3}
    answer = admin("post", EXPLAIN, body)
    assert answer.json() == {
        "understood": "Every day, 02:30", "time_zone": "Europe/Berlin",
        "next": ["2027-03-27T01:30:00Z", "2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"],
        "notes": ["Clocks go forward on 28 March. There is no 02:30 on that day: the run comes at 03:00."],
    }
    french = admin("post", EXPLAIN, {"cron": "30 7 * * 1-5", "language": "fr"})
    assert french.json()["understood"] == "Du lundi au vendredi, 07:30"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "words"), ({"words": "foo"}, "words"), ({"cron": "61 * * * *"}, "cron"),
        ({"words": "daily at 8", "cron": "0 8 * * *"}, "schedule"),
        ({"words": "daily at 8", "time_zone": "X"}, "time_zone"),
        ({"words": "daily at 8", "calendar": "none"}, "calendar"), ({"words": "daily at 8", "count": 0}, "count"),
        ({"words": "daily at 8", "after": "2027-03-26T12:00:00"}, "after"),
        ({"words": "daily at 8", "more": 1}, "more"),
    ],
)
def test_what_is_no_schedule_is_refused_by_field(admin: Call, body: dict[str, Any], field: str) -> None:
    answer = admin("post", EXPLAIN, body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_calendar_is_added_changed_and_removed_and_each_is_audited(admin: Call) -> None:
    made = admin("post", CALENDARS, {"name": "North", "countries": ["Germany", "SE"], "days": ["2027-12-24"]})
    assert made.status_code == 201
    row = made.json()
    assert (row["countries"], row["days"]) == (["DE", "SE"], ["2027-12-24"])
    changed = admin("patch", f"{CALENDARS}/{row['id']}", {"days": []})
    assert (changed.json()["countries"], changed.json()["days"]) == (["DE", "SE"], [])
    assert admin("get", f"{CALENDARS}/{row['id']}").json() == changed.json()
    assert admin("get", CALENDARS).json() == {"holiday_calendars": [changed.json()]}
    assert admin("delete", f"{CALENDARS}/{row['id']}").status_code == 204
    actions = AuditEntry.objects.filter(action__startswith="calendar.").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["calendar.add", "calendar.change", "calendar.remove"]


def test_a_calendar_in_use_or_one_that_can_not_be_taken_is_refused(admin: Call) -> None:
    row = HolidayCalendar.objects.create(name="Ours", countries=["SE"], days=[])
    source = ReportSource.objects.create(name="Pushed", kind="pushed")
    Subscription.objects.create(name="Daily", list_name="daily", source=source, calendar=row)
    assert admin("delete", f"{CALENDARS}/{row.pk}").status_code == 409
    for body, field in (({"name": "Ours"}, "name"), ({"name": "X", "countries": ["Atlantis"]}, "countries")):
        answer = admin("post", CALENDARS, body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_the_load_plan_is_there_for_a_day_to_come_and_no_other(admin: Call) -> None:
    answer = admin("get", "/api/v1/load-plan?time_zone=Europe/Berlin")
    assert answer.status_code == 200
    assert (answer.json()["arrivals"], answer.json()["moves"], answer.json()["servers"]) == ([], [], [])
    for query, field in (("day=2020-01-01", "day"), ("time_zone=X", "time_zone"), ("more=1", "more")):
        refused = admin("get", f"/api/v1/load-plan?{query}")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
