"""Runs of subscriptions: listed with their log and recipients, stopped, gone on with."""

from typing import Annotated, Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from postroom.flow.runs.run_control import retry_missing, stop
from postroom.flow.runs.run_log import told_line, told_log
from postroom.flow.runs.run_progress import progress, run_recipients, standing
from postroom.store.models import Run

from .access import ADMINISTERING, READING, actor_of
from .strict_parser import refuse_unknown_query
from .subscription_schemas import Id, RunOut, RunRecipients, Runs, RunState

router = Router(tags=["Subscriptions"])


class RunFilter(Schema):
    state: RunState | None = None
    before: Annotated[str | None, Field(max_length=26, description="`next_before` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class RunRecipientFilter(Schema):
    after: Annotated[int, Field(ge=-1, le=2**31, description="`next_after` of the page before.")] = -1
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100


@router.get(
    "/subscriptions/{subscription_id}/runs", auth=READING, response=Runs, summary="List runs, newest first"
)
def list_runs(request: HttpRequest, subscription_id: Id, query: Query[RunFilter]) -> dict[str, Any]:
    refuse_unknown_query(request, RunFilter)
    found = Run.objects.select_related("report").filter(subscription=subscription_id)
    if query.state is not None:
        found = found.filter(state=query.state)
    if query.before is not None:
        found = found.filter(pk__lt=query.before)
    rows = list(found.order_by("-pk")[: query.limit])
    return {
        "runs": [run_json(row) for row in rows], "next_before": rows[-1].pk if len(rows) == query.limit else None,
    }


@router.get(
    "/subscriptions/{subscription_id}/runs/{run_id}", auth=READING, response=RunOut, summary="One run with its log"
)
def get_run(request: HttpRequest, subscription_id: Id, run_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    row = _row(subscription_id, run_id)
    log = [{"at": line.at, "level": line.level, "text": line.text} for line in told_log(row)]
    return {**run_json(row), "log": log, "states": dict(standing(row))}


@router.get(
    "/subscriptions/{subscription_id}/runs/{run_id}/recipients", auth=READING, response=RunRecipients,
    summary="What became of each recipient of a run",
)
def list_recipients(
    request: HttpRequest, subscription_id: Id, run_id: Id, query: Query[RunRecipientFilter]
) -> dict[str, Any]:
    refuse_unknown_query(request, RunRecipientFilter)
    rows = run_recipients(_row(subscription_id, run_id), query.after, query.limit)
    return {
        "recipients": [
            {
                "position": row.position, "address": row.address, "place": row.place, "left_out": row.left_out,
                "message": row.message_id or None, "state": row.state,
            }
            for row in rows
        ],
        "next_after": rows[-1].position if len(rows) == query.limit else None,
    }


@router.post(
    "/subscriptions/{subscription_id}/runs/{run_id}/stop", auth=ADMINISTERING, response=RunOut,
    summary="Queue no more messages of a run",
)
def stop_run(request: HttpRequest, subscription_id: Id, run_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return run_json(stop(_row(subscription_id, run_id).pk, actor_of(request)))


@router.post(
    "/subscriptions/{subscription_id}/runs/{run_id}/retry", auth=ADMINISTERING, response=RunOut,
    summary="Go on with a run that failed or was stopped, for those who got nothing",
)
def retry_run(request: HttpRequest, subscription_id: Id, run_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return run_json(retry_missing(_row(subscription_id, run_id).pk, actor_of(request), timezone.now()))


def run_json(row: Run) -> dict[str, Any]:
    """A row as `RunOut`, without its log."""
    report = row.report
    return {
        "id": row.pk, "subscription": row.subscription_id, "nominal_at": row.nominal_at, "cause": row.cause,
        "asked_by": row.asked_by, "only_to": row.only_to, "state": row.state, "try_number": row.try_number,
        "due_at": row.due_at, "started_at": row.started_at, "finished_at": row.finished_at, "planned": row.planned,
        "queued": row.queued, "left_out": row.left_out, "ends_at": progress(row, timezone.now()).ends_at,
        "problem": None if row.problem is None else {
            "slug": row.problem.get("slug", ""), "text": told_line(row.problem),
            "evidence": row.problem.get("evidence", ""),
        },
        "report": None if report is None else {
            "id": report.pk, "file_name": report.file_name, "size_bytes": report.size_bytes,
            "rows": report.row_count, "made_at": report.made_at,
        },
    }


def _row(subscription_id: str, run_id: str) -> Run:
    return get_object_or_404(Run.objects.select_related("report"), pk=run_id, subscription=subscription_id)
