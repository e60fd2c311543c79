"""When the reports of a day will really have left."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from postroom.flow.instance.instance import site
from postroom.flow.subscriptions.load_plan import load_plan
from postroom.flow.subscriptions.load_plan_json import load_plan_json
from postroom.policy.schedule import ScheduleFault, check_zone
from postroom.terms.problem import FieldError, invalid_fields

from .access import READING
from .strict_parser import refuse_unknown_query

router = Router(tags=["Schedules"])
DAYS_AHEAD = 31


class PlanFilter(Schema):
    day: Annotated[date | None, Field(description="By default today.")] = None
    time_zone: Annotated[str, Field(max_length=64, description="By default that of the installation.")] = ""


class ArrivalOut(Schema):
    """`last_at` is null where not all leave within the forecast; `held_by` is sessions, messages_per_minute or
    messages_per_day. Without a `subscription` it is what waits now."""

    subscription: str | None
    name: str
    due_at: datetime
    server: str | None
    messages: int
    size_bytes: int
    first_at: datetime | None
    last_at: datetime | None
    held_by: str


class MoveOut(Schema):
    """Run it at `to` instead: all reports over its server are then late by `late_s_after` seconds together."""

    subscription: str
    name: str
    due_at: datetime
    to: datetime
    late_s_before: int
    late_s_after: int


class RoadOut(Schema):
    """`measured` deliveries told the pace; 0 is a guess."""

    id: str
    name: str
    sessions: int
    message_s: float
    bytes_per_s: int
    measured: int
    messages_per_minute: int | None
    messages_per_day: int | None


class PlanOut(Schema):
    day: date
    begins_at: datetime
    arrivals: list[ArrivalOut]
    moves: list[MoveOut]
    servers: list[RoadOut]


@router.get("/load-plan", auth=READING, response=PlanOut, summary="When the reports of a day will really have left")
def get_load_plan(request: HttpRequest, query: Query[PlanFilter]) -> dict[str, Any]:
    refuse_unknown_query(request, PlanFilter)
    zone, now = query.time_zone or site().time_zone, timezone.now()
    try:
        check_zone(zone)
    except ScheduleFault as fault:
        raise invalid_fields([FieldError("time_zone", "invalid", fault.text)]) from None
    today = now.astimezone(ZoneInfo(zone)).date()
    day = query.day or today
    if not today <= day <= today + timedelta(days=DAYS_AHEAD):
        raise invalid_fields([FieldError("day", "invalid", f"Name a day from today to {DAYS_AHEAD} days ahead.")])
    return load_plan_json(load_plan(day, ZoneInfo(zone), now))
