"""Test mode of the whole site and of a server: everything goes to one address for a while."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Router
from pydantic import Field, StrictStr

from postroom.flow.acceptance.test_mode import (
    clear_for_server,
    clear_for_site,
    server_test_mode,
    set_for_server,
    set_for_site,
    site_test_mode,
)
from postroom.flow.instance.refusals import NotPossible
from postroom.flow.messages.submitted import Time
from postroom.store.models import SmtpServer
from postroom.terms.test_mode import TestMode

from .access import ADMINISTERING, READING, actor_of
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Test mode"])
Id = Annotated[str, Field(max_length=26)]


class SiteTestModeIn(Strict):
    """Everything that is accepted goes to `address` only, until the time `until`: a day from now when it is missing,
    at most 90 days."""

    address: Annotated[StrictStr, Field(min_length=1, max_length=320)]
    until: Time | None = None


class SiteTestModeOut(Strict):
    """`is_on` is false once `until` has passed; without any test mode all the others are null."""

    is_on: bool
    address: str | None
    until: datetime | None
    by: str | None


@router.get("/test-mode", auth=READING, response=SiteTestModeOut, summary="Test mode of the whole site")
def get_test_mode(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return mode_json(site_test_mode())


@router.put("/test-mode", auth=ADMINISTERING, response=SiteTestModeOut, summary="Send everything to one address")
def put_test_mode(request: HttpRequest, body: SiteTestModeIn) -> dict[str, Any]:
    return mode_json(set_for_site(body.address, body.until, actor_of(request), timezone.now()))


@router.delete("/test-mode", auth=ADMINISTERING, response={204: None}, summary="End test mode of the whole site")
def delete_test_mode(request: HttpRequest) -> HttpResponse:
    _ended(lambda: clear_for_site(actor_of(request)))
    return HttpResponse(status=204)


@router.get(
    "/smtp-servers/{server_id}/test-mode", auth=READING, response=SiteTestModeOut, summary="Test mode of a server"
)
def get_server_test_mode(request: HttpRequest, server_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return mode_json(server_test_mode(_server(server_id)))


@router.put(
    "/smtp-servers/{server_id}/test-mode", auth=ADMINISTERING, response=SiteTestModeOut,
    summary="Send to one address what is accepted for a server",
)
def put_server_test_mode(request: HttpRequest, server_id: Id, body: SiteTestModeIn) -> dict[str, Any]:
    server = _server(server_id)
    return mode_json(set_for_server(server.pk, body.address, body.until, actor_of(request), timezone.now()))


@router.delete(
    "/smtp-servers/{server_id}/test-mode", auth=ADMINISTERING, response={204: None},
    summary="End test mode of a server",
)
def delete_server_test_mode(request: HttpRequest, server_id: Id) -> HttpResponse:
    server = _server(server_id)
    _ended(lambda: clear_for_server(server.pk, actor_of(request)))
    return HttpResponse(status=204)


def mode_json(mode: TestMode | None) -> dict[str, Any]:
    """A test mode as `SiteTestModeOut`."""
    if mode is None:
        return {"is_on": False, "address": None, "until": None, "by": None}
    return {"is_on": mode.is_on(timezone.now()), "address": mode.address, "until": mode.until, "by": mode.by}


def _ended(clear: Callable[[], None]) -> None:
    try:
        clear()
    except NotPossible:
        raise Http404 from None


def _server(server_id: str) -> SmtpServer:
    return get_object_or_404(SmtpServer, pk=server_id)
