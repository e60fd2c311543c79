"""Connections to databases that report sources read."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Status

from postroom.flow.reports import sql_connections as kept
from postroom.flow.reports.try_source import ask_try
from postroom.store.models import SqlConnection

from .access import ADMINISTERING, READING, actor_of
from .report_source_schemas import ConnectionIn, ConnectionOut, Connections, Id, TryOut
from .report_sources import try_json
from .strict_parser import refuse_unknown_query

router = Router(tags=["Report sources"])


@router.get("/sql-connections", auth=READING, response=Connections, summary="List connections to databases")
def list_connections(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"sql_connections": [_json(row) for row in kept.connections()]}


@router.post("/sql-connections", auth=ADMINISTERING, response={201: ConnectionOut}, summary="Add a connection")
def create_connection(request: HttpRequest, body: ConnectionIn) -> Status[dict[str, Any]]:
    values = body.model_dump(exclude_unset=True) | {"kind": body.kind}
    return Status(201, _json(kept.add_connection(values, actor_of(request))))


@router.get("/sql-connections/{connection_id}", auth=READING, response=ConnectionOut, summary="One connection")
def get_connection(request: HttpRequest, connection_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return _json(_connection(connection_id))


@router.patch(
    "/sql-connections/{connection_id}", auth=ADMINISTERING, response=ConnectionOut,
    summary="Change a connection; its kind stays",
)
def change_connection(request: HttpRequest, connection_id: Id, body: ConnectionIn) -> dict[str, Any]:
    row = _connection(connection_id)
    return _json(kept.change_connection(row.pk, body.model_dump(exclude_unset=True), actor_of(request)))


@router.delete(
    "/sql-connections/{connection_id}", auth=ADMINISTERING, response={204: None}, summary="Remove a connection"
)
def delete_connection(request: HttpRequest, connection_id: Id) -> HttpResponse:
    refuse_unknown_query(request)
    kept.remove_connection(_connection(connection_id).pk, actor_of(request))
    return HttpResponse(status=204)


@router.post(
    "/sql-connections/{connection_id}/try", auth=ADMINISTERING, response={202: TryOut},
    summary="Sign in to the database now",
)
def try_connection(request: HttpRequest, connection_id: Id) -> Status[dict[str, Any]]:
    refuse_unknown_query(request)
    return Status(202, try_json(ask_try(actor_of(request), connection=_connection(connection_id))))


def _json(row: SqlConnection) -> dict[str, Any]:
    return {"id": row.pk, **kept.connection_json(row)}


def _connection(connection_id: str) -> SqlConnection:
    return get_object_or_404(SqlConnection, pk=connection_id)
