"""The SMTP activity log of a day."""

import sqlite3
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from postroom.store.activity_log import ActivityLog
from postroom.store.activity_reader import ActivityReader, Matches
from postroom.store.activity_shape import Criteria

from .access import READING
from .schemas import Activity
from .strict_parser import refuse_unknown_query

router = Router(tags=["Activity"])
Criterion = Annotated[str | None, Field(max_length=254)]


class ActivityFilter(Schema):
    day: Annotated[
        date | None, Field(ge=date(2000, 1, 1), le=date(2200, 12, 31), description="A UTC day; today when missing.")
    ] = None
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
    entries = _indexed(day, query)
    if entries is None:
        criteria = query.model_dump(include={"outcome", "cause", "server", "recipient", "text", "limit"})
        entries = log.read_day(day, **criteria)
    return {"day": day.isoformat(), "entries": entries, "days": [known.isoformat() for known in log.days()]}


def _indexed(day: date, query: ActivityFilter) -> list[dict[str, Any]] | None:
    """The entries through the day's index; None where it does not decide: it lags, or a text is asked for, which may
    stand where the index does not look."""
    if query.text is not None:
        return None
    since = datetime(day.year, day.month, day.day, tzinfo=UTC)
    criteria = Criteria(
        outcome=_one_of(query.outcome), cause=_one_of(query.cause), server=_one_of(query.server),
        recipient=_one_of(query.recipient and query.recipient.lower()),
    )
    try:
        with ActivityReader(settings.DATA_DIR / "logs", since, since + timedelta(days=1)) as reader:
            if any(progress.behind_bytes for progress in reader.progress.values()):
                return None
            found = reader.search(criteria) if query.recipient else Matches(reader.newest(criteria, query.limit), False)
            if found.is_more:
                return None
            entries = [dict(one.entry) for one in found.found]
            return [e for e in entries if query.recipient in (None, e.get("recipient"))][:query.limit]
    except sqlite3.Error:
        return None


def _one_of(value: str | None) -> frozenset[str]:
    return frozenset() if value is None else frozenset([value])
