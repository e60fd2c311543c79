"""Report sources: kept, tried; the reports themselves are pushed through the intake."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Status

from postroom.flow.reports import report_sources as kept
from postroom.flow.reports.stored_report import as_json
from postroom.flow.reports.try_source import ask_try
from postroom.store.models import ReportSource, SourceTry

from .access import ADMINISTERING, READING, actor_of
from .report_source_schemas import Id, SourceIn, SourceOut, Sources, TryIn, TryOut
from .strict_parser import refuse_unknown_query

router = Router(tags=["Report sources"])


@router.get("/report-sources", auth=READING, response=Sources, summary="List report sources")
def list_sources(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"report_sources": [_json(row) for row in kept.sources()]}


@router.post("/report-sources", auth=ADMINISTERING, response={201: SourceOut}, summary="Add a report source")
def create_source(request: HttpRequest, body: SourceIn) -> Status[dict[str, Any]]:
    values = body.model_dump(exclude_unset=True) | {"kind": body.kind}
    return Status(201, _json(kept.add_source(values, actor_of(request))))


@router.get("/report-sources/{source_id}", auth=READING, response=SourceOut, summary="One report source")
def get_source(request: HttpRequest, source_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return _json(_source(source_id))


@router.patch(
    "/report-sources/{source_id}", auth=ADMINISTERING, response=SourceOut,
    summary="Change a report source; its kind stays",
)
def change_source(request: HttpRequest, source_id: Id, body: SourceIn) -> dict[str, Any]:
    row = _source(source_id)
    return _json(kept.change_source(row.pk, body.model_dump(exclude_unset=True), actor_of(request)))


@router.delete(
    "/report-sources/{source_id}", auth=ADMINISTERING, response={204: None}, summary="Remove a report source"
)
def delete_source(request: HttpRequest, source_id: Id) -> HttpResponse:
    refuse_unknown_query(request)
    kept.remove_source(_source(source_id).pk, actor_of(request))
    return HttpResponse(status=204)


@router.post(
    "/report-sources/{source_id}/try", auth=ADMINISTERING, response={202: TryOut},
    summary="Have the report fetched now, without sending it",
)
def try_source(request: HttpRequest, source_id: Id, body: TryIn) -> Status[dict[str, Any]]:
    row = ask_try(actor_of(request), source=_source(source_id), parameters=body.parameters)
    return Status(202, try_json(row))


@router.get("/source-tries/{try_id}", auth=READING, response=TryOut, summary="What became of a try")
def get_try(request: HttpRequest, try_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return try_json(get_object_or_404(SourceTry.objects.select_related("report"), pk=try_id))


def try_json(row: SourceTry) -> dict[str, Any]:
    """A row as `TryOut`."""
    state = "waiting" if row.started_at is None else "running"
    if row.finished_at is not None:
        state = "failed" if row.fault else "done"
    return {
        "id": row.pk, "state": state, "fault": row.fault, "report": as_json(row.report) if row.report else None,
    }


def _json(row: ReportSource) -> dict[str, Any]:
    newest = kept.newest_report(row)
    return {"id": row.pk, **kept.source_json(row), "newest_report": as_json(newest) if newest else None}


def _source(source_id: str) -> ReportSource:
    return get_object_or_404(ReportSource, pk=source_id)
