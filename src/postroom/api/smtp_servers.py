"""SMTP servers and their tests."""

from typing import Annotated, Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Status
from pydantic import Field

from postroom.flow.servers import configure
from postroom.flow.servers.server_order import move_server, servers_in_order, set_default
from postroom.flow.servers.server_pause import pause_server, resume_server, set_enabled
from postroom.flow.servers.server_values import server_values, values_of_test
from postroom.store.models import ServerTest, SmtpServer
from postroom.terms.problem import FieldError, invalid_fields
from postroom.terms.server import ServerSettings

from .access import ADMINISTERING, READING, actor_of
from .schemas import PauseIn, SendIn, ServerIn, ServerOut, Servers, Started, TestIn, TestOut
from .strict_parser import refuse_unknown_query

router = Router(tags=["SMTP servers"])
Id = Annotated[str, Field(max_length=26)]
# What belongs to the row, or to the request, and not to the settings.
_TEXT = {"description": "OK", "content": {"text/plain": {"schema": {"type": "string"}}}}
_BESIDE = ("password", "enabled", "is_default", "position", "use_unverified", "reason", "based_on", "send")


@router.get("/smtp-servers", auth=READING, response=Servers, summary="List SMTP servers")
def list_servers(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"smtp_servers": [server_values(row) for row in servers_in_order()]}


@router.post(
    "/smtp-servers", auth=ADMINISTERING, response={201: ServerOut}, summary="Save a server without testing it"
)
def create_server(request: HttpRequest, body: ServerIn) -> Status[dict[str, Any]]:
    actor = actor_of(request)
    with transaction.atomic():
        row = configure.save_untested(
            ServerSettings.from_json(_settings_of(body.model_dump())),
            password=body.password,
            based_on=None,
            server=None,
            reason=body.reason,
            use_unverified=body.use_unverified,
            actor=actor,
        )
        _switch(row, {"enabled": body.enabled, "is_default": body.is_default, "position": body.position}, actor)
    return Status(201, server_values(_server(row.pk)))


@router.post(
    "/smtp-servers/test", auth=ADMINISTERING, response={202: Started}, summary="Test settings without saving them"
)
def start_test(request: HttpRequest, body: TestIn) -> Status[dict[str, Any]]:
    base = _base(body.based_on)
    given = _settings_of(body.model_dump(exclude_unset=True))
    if base is not None and "limits" in given:
        given["limits"] = {**base.settings.get("limits", {}), **given["limits"]}
    settings = ServerSettings.from_json({**(base.settings if base else {}), **given})
    if not settings.name.strip():
        settings = settings.changed(name=settings.host.strip()[:100])
    test = configure.start_test(
        settings, password=body.password, based_on=base, server=base, send=body.send, actor=actor_of(request)
    )
    return Status(202, {"id": test.pk})


@router.get("/smtp-servers/{server_id}", auth=READING, response=ServerOut, summary="One SMTP server")
def get_server(request: HttpRequest, server_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return server_values(_server(server_id))


@router.patch(
    "/smtp-servers/{server_id}",
    auth=ADMINISTERING,
    response=ServerOut,
    summary="Change a server; a change of its destination needs the password again",
)
def change_server(request: HttpRequest, server_id: Id, body: ServerIn) -> dict[str, Any]:
    given, actor = body.model_dump(exclude_unset=True), actor_of(request)
    changes = _settings_of(given)
    with transaction.atomic():  # read in it, too: what somebody else changes at the same time stays changed
        row = _server(server_id)
        if "limits" in changes:
            changes["limits"] = {**row.settings.get("limits", {}), **changes["limits"]}
        if changes or {"password", "use_unverified", "reason"} & set(given):
            row = configure.change_server(
                row,
                changes,
                password=given.get("password"),
                use_unverified=given.get("use_unverified"),
                reason=given.get("reason") or "",
                actor=actor,
            )
        _switch(row, given, actor)
    return server_values(_server(server_id))


@router.delete("/smtp-servers/{server_id}", auth=ADMINISTERING, response={204: None}, summary="Remove a server")
def delete_server(request: HttpRequest, server_id: Id) -> HttpResponse:
    configure.delete_server(_server(server_id), actor_of(request))
    return HttpResponse(status=204)


@router.post(
    "/smtp-servers/{server_id}/test", auth=ADMINISTERING, response={202: Started}, summary="Test a saved server"
)
def start_saved_test(request: HttpRequest, server_id: Id, body: SendIn | None = None) -> Status[dict[str, Any]]:
    send = body.send if body else True
    test = configure.start_saved_test(_server(server_id), send=send, actor=actor_of(request))
    return Status(202, {"id": test.pk})


@router.post(
    "/smtp-servers/{server_id}/pause", auth=ADMINISTERING, response=ServerOut, summary="Take a server out of delivery"
)
def pause(request: HttpRequest, server_id: Id, body: PauseIn | None = None) -> dict[str, Any]:
    until, reason = (body.until, body.reason) if body else (None, "")
    pause_server(_server(server_id), until=until, reason=reason, actor=actor_of(request))
    return server_values(_server(server_id))


@router.post(
    "/smtp-servers/{server_id}/resume", auth=ADMINISTERING, response=ServerOut, summary="Let a paused server go on"
)
def resume(request: HttpRequest, server_id: Id) -> dict[str, Any]:
    resume_server(_server(server_id), actor_of(request))
    return server_values(_server(server_id))


@router.get("/tests/{test_id}", auth=READING, response=TestOut, tags=["Tests"], summary="How a test goes")
def get_test(request: HttpRequest, test_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return values_of_test(_test(test_id))


@router.get(
    "/tests/{test_id}/log",
    auth=READING,
    tags=["Tests"],
    summary="The redacted transcript of a test, as text",
    openapi_extra={"responses": {200: _TEXT}},
)
def get_log(request: HttpRequest, test_id: Id) -> HttpResponse:
    refuse_unknown_query(request)
    text = "".join(f"{line}\n" for line in _test(test_id).transcript)
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


@router.post("/tests/{test_id}/stop", auth=ADMINISTERING, response=TestOut, tags=["Tests"], summary="Stop a test")
def stop_test(request: HttpRequest, test_id: Id) -> dict[str, Any]:
    configure.stop_test(_test(test_id), actor_of(request))
    return values_of_test(_test(test_id))


def _settings_of(given: dict[str, Any]) -> dict[str, Any]:
    """The part of a body that is settings."""
    return {name: value for name, value in given.items() if name not in _BESIDE}


def _switch(row: SmtpServer, given: dict[str, Any], actor: str) -> None:
    """Enabled and default, after the settings that decide whether they are possible."""
    if "enabled" in given and given["enabled"] != row.enabled:
        set_enabled(row, given["enabled"], actor)
    if given.get("is_default") is True and not row.is_default:
        set_default(row, actor)
    if given.get("position") is not None:
        move_server(row, given["position"], actor)
    if given.get("is_default") is False and row.is_default:
        text = "Make another server the default instead; there is always one."
        raise invalid_fields([FieldError("is_default", "not-possible", text)])


def _base(server_id: str | None) -> SmtpServer | None:
    if server_id is None:
        return None
    base = SmtpServer.objects.filter(pk=server_id).first()
    if base is None:
        raise invalid_fields([FieldError("based_on", "not-found", "There is no SMTP server with this id.")])
    return base


def _server(server_id: str) -> SmtpServer:
    return get_object_or_404(SmtpServer, pk=server_id)


def _test(test_id: str) -> ServerTest:
    return get_object_or_404(ServerTest, pk=test_id)
