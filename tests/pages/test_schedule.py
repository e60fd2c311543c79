"""The fields of a schedule answer as they are filled in; holiday calendars are kept on a page of their own."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from postroom.pages.forms.schedule_builder import Chosen, words_of
from postroom.pages.queries.schedule import understood
from postroom.policy.schedule import parsed
from postroom.store.models import HolidayCalendar, ReportSource, Subscription, User

NOW = datetime(2026, 3, 12, 13, 32, tzinfo=UTC)
PREVIEW, WORDS, CALENDARS = "/schedule/preview", "/schedule/words", "/holiday-calendars"


def test_the_next_five_runs_are_shown_with_their_zone_and_a_note_on_the_clock_change() -> None:
    found = understood({"words": "every Monday and Thursday at 07:30", "time_zone": "Europe/Berlin"}, NOW)
    assert found.text == "Mondays and Thursdays, 07:30"
    assert [(run.day, run.clock, run.offset, run.until) for run in found.runs] == [
        ("Mon 16 Mar", "07:30", "CET, UTC+1", "in 3 days"),
        ("Thu 19 Mar", "07:30", "CET, UTC+1", "in 6 days"),
        ("Mon 23 Mar", "07:30", "CET, UTC+1", "in 10 days"),
        ("Thu 26 Mar", "07:30", "CET, UTC+1", "in 13 days"),
        ("Mon 30 Mar", "07:30", "CEST, UTC+2", "in 17 days"),
    ]
    assert found.notes == ["Clocks go forward on 29 March. The run stays at 07:30 local time."]


@pytest.mark.parametrize(
    ("zone", "offset"),
    [("Asia/Kolkata", "IST, UTC+5:30"), ("America/Sao_Paulo", "UTC-3"), ("UTC", "UTC"),
     ("America/St_Johns", "NDT, UTC-2:30")],
)
def test_offsets_are_told_by_the_letters_of_the_zone_where_it_has_some(zone: str, offset: str) -> None:
    found = understood({"words": "every day at 08:00", "time_zone": zone}, NOW)
    assert found.runs[0].offset == offset


def test_words_are_answered_while_they_are_typed_and_the_runs_beside_them_follow(page: Client) -> None:
    answer = page.get(PREVIEW, {"words": "weekdays at 8", "time_zone": "Europe/Berlin"}).content.decode()
    assert "Understood: Monday to Friday, 08:00" in answer
    assert 'id="next-runs" hx-swap-oob' in answer
    assert answer.count("<tr>") == 6
    refused = page.get(PREVIEW, {"words": "foo at 8", "time_zone": "Europe/Berlin"}).content.decode()
    assert "“foo” is not understood" in refused
    assert 'id="e-words"' in refused
    nothing = page.get(PREVIEW).content.decode()
    assert "Understood" not in nothing
    assert "They appear when a schedule is entered." in nothing


def test_what_is_typed_stays_text(page: Client) -> None:
    answer = page.get(PREVIEW, {"words": "<script>alert(1)</script> at 8", "time_zone": "<b>"}).content.decode()
    assert "<script>" not in answer
    assert "<b>" not in answer


def test_days_off_of_the_chosen_calendar_are_left_out(page: Client) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    row = HolidayCalendar.objects.create(name="Ours", countries=[], days=[tomorrow.isoformat()])
    query = {"words": "every day at 00:00", "time_zone": "UTC", "calendar": row.pk}
    assert "Left out as days off" in page.get(PREVIEW, query).content.decode()


def test_chosen_days_and_times_become_words_in_the_fields(page: Client) -> None:
    query = {"build_every": "week", "build_weekday": ["0", "3"], "build_time": "07:30", "time_zone": "Europe/Berlin"}
    answer = page.get(WORDS, query).content.decode()
    assert 'value="Mondays and Thursdays, 07:30"' in answer
    assert "Understood: Mondays and Thursdays, 07:30" in answer
    without = page.get(WORDS, {**query, "build_time": "", "words": "weekdays at 8"}).content.decode()
    assert 'value="weekdays at 8"' in without


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(
    "every", ["day", "workday", "week", "month", "nth-1", "nth-2", "nth-3", "nth-4", "nth-last", "workday-last", "?"]
)
def test_every_choice_gives_words_that_are_understood(every: str, language: str) -> None:
    for day in (1, 31, -1):
        said = words_of(Chosen(every, "08:00", "17:30", (0, 4), day), language)
        assert [str(at)[:5] for at in parsed(said, "UTC").times] == ["08:00", "17:30"]


def test_a_calendar_is_added_changed_removed_and_put_back(page: Client) -> None:
    assert "No calendars yet" in page.get(CALENDARS).content.decode()
    form = {"name": "Germany and Sweden", "countries": "Germany\nSE", "days": "2027-12-24"}
    assert page.post(f"{CALENDARS}/new", form).status_code == 302
    row = HolidayCalendar.objects.get()
    assert row.countries == ["DE", "SE"]
    shown = page.get(f"{CALENDARS}/{row.pk}").content.decode()
    assert "2027-12-24" in shown
    page.post(f"{CALENDARS}/{row.pk}", {**form, "name": "North"})
    assert "North" in page.get(CALENDARS).content.decode()
    removed = page.post(f"{CALENDARS}/{row.pk}/remove")
    assert not HolidayCalendar.objects.exists()
    assert "Undo" in page.get(removed["Location"]).content.decode()
    page.post(f"{CALENDARS}/undo", {"removal": removed["Location"].split("=")[1]})
    assert HolidayCalendar.objects.get().name == "North"


def test_countries_and_days_are_told_and_taken_in_the_reader_s_language(page: Client, administrator: User) -> None:
    User.objects.filter(pk=administrator.pk).update(language="fr")
    form = {"name": "Nord", "countries": "suède\nDE-BY\nDenmark", "days": f"{timezone.now().year + 1}-02-11"}
    assert page.post(f"{CALENDARS}/new", form).status_code == 302
    row = HolidayCalendar.objects.get()
    assert row.countries == ["SE", "DE-BY", "DK"]
    assert "Suède, Allemagne (BY), Danemark" in page.get(CALENDARS).content.decode()
    shown = page.get(f"{CALENDARS}/{row.pk}").content.decode()
    assert f" 11 février {timezone.now().year + 1}" in shown.replace("févr.", "février").replace("fév.", "février")
    assert "Émirats arabes unis" in shown


def test_a_calendar_that_can_not_be_taken_keeps_what_was_typed_and_says_why(page: Client) -> None:
    answer = page.post(f"{CALENDARS}/new", {"name": "", "countries": "Atlantis", "days": "tomorrow"})
    said = answer.content.decode()
    assert answer.status_code == 422
    assert "“Atlantis”" in said
    assert said.count("e-countries") == 2
    assert ">tomorrow</textarea>" in said
    assert "3 fields need a change" in said


def test_a_calendar_in_use_is_not_removed(page: Client) -> None:
    row = HolidayCalendar.objects.create(name="Ours", countries=["SE"], days=[])
    source = ReportSource.objects.create(name="Pushed", kind="pushed")
    Subscription.objects.create(name="Daily", list_name="daily", source=source, calendar=row)
    assert "in use" in page.get(CALENDARS).content.decode()
    answer = page.post(f"{CALENDARS}/{row.pk}/remove", follow=True)
    assert "“Daily” uses this calendar" in answer.content.decode()
    assert HolidayCalendar.objects.exists()


def test_a_viewer_reads_calendars_and_changes_none(viewer: User) -> None:
    client = Client()
    client.force_login(viewer)
    HolidayCalendar.objects.create(name="Ours", countries=["SE"], days=[])
    said = client.get(CALENDARS).content.decode()
    assert "Ours" in said
    assert "Remove" not in said
    assert reverse("pages:new-holiday-calendar") not in said
