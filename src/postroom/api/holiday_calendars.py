"""Holiday calendars, and what a schedule means: understood in words, with the next instants."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Router, Status
from pydantic import Field, StrictStr

from postroom.flow.subscriptions import holiday_calendars as calendars
from postroom.flow.subscriptions.schedules import checked, days_off_of, schedule_of
from postroom.policy.schedule import described, instants, notes
from postroom.store.models import HolidayCalendar
from postroom.terms.problem import FieldError, invalid_fields

from .access import ADMINISTERING, READING, actor_of
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Schedules"])
Id = Annotated[str, Field(max_length=26)]
Countries = Annotated[tuple[Annotated[StrictStr, Field(max_length=100)], ...], Field(max_length=20)]
OwnDays = Annotated[tuple[date, ...], Field(max_length=1_000)]


class CalendarIn(Strict):
    """A calendar, or changes to one: only the fields that are there change."""

    name: Annotated[StrictStr, Field(max_length=calendars.NAME_CHARACTERS)] = ""
    countries: Annotated[Countries, Field(description="Codes such as DE or DE-BY, or English names.")] = ()
    days: Annotated[OwnDays, Field(description="Own days off.")] = ()


class CalendarOut(Strict):
    id: str
    name: str
    countries: list[str]
    days: list[date]


class Calendars(Strict):
    holiday_calendars: list[CalendarOut]


class ScheduleWords(Strict):
    """Words or cron, and the zone whose clocks they are read on; by default that of the installation."""

    words: Annotated[StrictStr, Field(max_length=250, description="Plain English or French words.")] = ""
    cron: Annotated[StrictStr, Field(max_length=250, description="Five fields, or such as @daily.")] = ""
    time_zone: Annotated[StrictStr, Field(max_length=64)] = ""
    calendar: Annotated[StrictStr | None, Field(max_length=26, description="Id of a holiday calendar.")] = None
    after: Annotated[datetime | None, Field(description="By default now.")] = None
    count: Annotated[int, Field(ge=1, le=100)] = 5
    language: Literal["en", "fr"] = "en"


class ScheduleOut(Strict):
    """`understood` in words; `notes` say what clock changes and days off do to `next`."""

    understood: str
    time_zone: str
    next: list[datetime]
    notes: list[str]


@router.post(
    "/schedules/explain", auth=READING, response=ScheduleOut, summary="Say how a schedule is understood"
)
def explain_schedule(request: HttpRequest, body: ScheduleWords) -> dict[str, Any]:
    refuse_unknown_query(request)
    stored = checked({"words": body.words, "cron": body.cron, "time_zone": body.time_zone})
    schedule = schedule_of(stored)
    if schedule is None:
        raise invalid_fields([FieldError("words", "required", "Give words or cron.")])
    calendar = HolidayCalendar.objects.filter(pk=body.calendar).first() if body.calendar else None
    if body.calendar and calendar is None:
        raise invalid_fields([FieldError("calendar", "not-found", "There is no holiday calendar of this id.")])
    after = _after(body.after)
    days_off = days_off_of(calendar)
    found = instants(schedule, after, days_off, body.count)
    return {
        "understood": described(schedule, body.language), "time_zone": schedule.zone, "next": found,
        "notes": notes(schedule, after, found, body.language, days_off),
    }


@router.get("/holiday-calendars", auth=READING, response=Calendars, summary="List holiday calendars")
def list_calendars(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"holiday_calendars": [_json(row) for row in HolidayCalendar.objects.all()]}


@router.post("/holiday-calendars", auth=ADMINISTERING, response={201: CalendarOut}, summary="Add a holiday calendar")
def create_calendar(request: HttpRequest, body: CalendarIn) -> Status[dict[str, Any]]:
    return Status(201, _json(calendars.add_calendar(_values(body), actor_of(request))))


@router.get("/holiday-calendars/{calendar_id}", auth=READING, response=CalendarOut, summary="One holiday calendar")
def get_calendar(request: HttpRequest, calendar_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return _json(get_object_or_404(HolidayCalendar, pk=calendar_id))


@router.patch(
    "/holiday-calendars/{calendar_id}", auth=ADMINISTERING, response=CalendarOut, summary="Change a holiday calendar"
)
def change_calendar(request: HttpRequest, calendar_id: Id, body: CalendarIn) -> dict[str, Any]:
    row = get_object_or_404(HolidayCalendar, pk=calendar_id)
    return _json(calendars.change_calendar(row.pk, _values(body, exclude_unset=True), actor_of(request)))


@router.delete(
    "/holiday-calendars/{calendar_id}", auth=ADMINISTERING, response={204: None},
    summary="Remove a holiday calendar that no subscription uses",
)
def delete_calendar(request: HttpRequest, calendar_id: Id) -> HttpResponse:
    refuse_unknown_query(request)
    calendars.remove_calendar(get_object_or_404(HolidayCalendar, pk=calendar_id).pk, actor_of(request))
    return HttpResponse(status=204)


def _values(body: CalendarIn, *, exclude_unset: bool = False) -> dict[str, Any]:
    return body.model_dump(exclude_unset=exclude_unset, mode="json")


def _after(given: datetime | None) -> datetime:
    if given is None:
        return timezone.now()
    if given.tzinfo is None or not 1970 <= given.year <= 9_000:
        raise invalid_fields([FieldError("after", "invalid", "Give a time with its offset, such as 2027-03-27T00Z.")])
    return given


def _json(row: HolidayCalendar) -> dict[str, Any]:
    return {"id": row.pk, **calendars.calendar_json(row)}
