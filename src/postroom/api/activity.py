"""The SMTP activity log of a day."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from postroom.store.activity_log import ActivityLog

from .access import READING
from .schemas import Activity
from .strict_parser import refuse_unknown_query

router = Router(tags=["Activity"])
Criterion = Annotated[str | None, Field(max_length=254)]


class ActivityFilter(Schema):
    day: Annotated[date | None, Field(description="A UTC day; today when missing.")] = None
    outcome: Criterion = None
    cause: Criterion = None
    server: Criterion = None
    recipient: Criterion = None
    text: Annotated[str | None, Field(max_length=200, description="Stands anywhere in the entry.")] = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 200


@router.get("/activity", auth=READING, response=Activity, summary="The SMTP activity log of a day, newest first")
def list_activity(request: HttpRequest, query: Query[ActivityFilter]) -> dict[str, Any]:
    refuse_unknown_query(request, ActivityFilter)
    log = ActivityLog(settings.DATA_DIR / "logs")
    day = query.day or datetime.now(UTC).date()
    criteria = query.model_dump(include={"outcome", "cause", "server", "recipient", "text", "limit"})
    return {
        "day": day.isoformat(),
        "entries": log.read_day(day, **criteria),
        "days": [known.isoformat() for known in log.days()],
    }
