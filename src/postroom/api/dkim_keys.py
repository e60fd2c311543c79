"""DKIM keys: made, published by whoever keeps the domain's DNS, switched on, retired."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from pydantic import Field, StrictBool, StrictStr

from postroom.flow.domains.check_domain import TooManyChecks, ask
from postroom.flow.domains.dkim_keys import activate_key, create_key, delete_key, retire_key
from postroom.store.models import DkimKey
from postroom.terms.problem import Problem

from .access import ADMINISTERING, READING, actor_of
from .domain_checks import RecordOut
from .schemas import Started, Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["DKIM keys"])
Id = Annotated[str, Field(max_length=26)]


class DkimKeyIn(Strict):
    """A new key. It signs nothing until it is activated."""

    domain: Annotated[StrictStr, Field(max_length=253)]
    algorithm: Literal["rsa", "ed25519"] = "rsa"
    selector: Annotated[StrictStr, Field(max_length=63, description="One with the date in it when empty.")] = ""


class DkimActivationIn(Strict):
    """How to switch a key on."""

    unpublished: Annotated[
        StrictBool, Field(description="Sign although no look at the DNS has found the record yet.")
    ] = False


class DkimKeyOut(Schema):
    """`record` is what the DNS has to show; `published_at` is when a look last found it there."""

    id: str
    domain: str
    selector: str
    algorithm: Literal["rsa", "ed25519"]
    state: Literal["new", "signing", "retired"]
    record: RecordOut
    published_at: datetime | None
    state_since: datetime
    created_at: datetime
    created_by: str


class DkimKeys(Schema):
    dkim_keys: list[DkimKeyOut]


@router.get("/dkim-keys", auth=READING, response=DkimKeys, summary="List DKIM keys")
def list_dkim_keys(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"dkim_keys": [key_json(row) for row in DkimKey.objects.all()]}


@router.post("/dkim-keys", auth=ADMINISTERING, response={201: DkimKeyOut}, summary="Make a DKIM key")
def add_dkim_key(request: HttpRequest, body: DkimKeyIn) -> Status[dict[str, Any]]:
    return Status(201, key_json(create_key(body.domain, body.algorithm, body.selector, actor_of(request))))


@router.get("/dkim-keys/{key_id}", auth=READING, response=DkimKeyOut, summary="One DKIM key")
def get_dkim_key(request: HttpRequest, key_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return key_json(get_object_or_404(DkimKey, pk=key_id))


@router.post(
    "/dkim-keys/{key_id}/check", auth=ADMINISTERING, response={202: Started},
    summary="Look at the DNS of the key's domain; the id is that of a domain check",
)
def check_dkim_key(request: HttpRequest, key_id: Id) -> Status[dict[str, Any]]:
    del request
    key = get_object_or_404(DkimKey, pk=key_id)
    try:
        return Status(202, {"id": ask(key.domain, anew=True).pk})
    except TooManyChecks:
        detail = "Many domains wait to be looked at. Ask again in a minute."
        raise Problem(409, "not-possible", "That is not possible now", detail, retry_after_s=60) from None


@router.post(
    "/dkim-keys/{key_id}/activate", auth=ADMINISTERING, response=DkimKeyOut,
    summary="Sign with a key; the domain's other one of the same algorithm is retired",
)
def activate_dkim_key(request: HttpRequest, key_id: Id, body: DkimActivationIn) -> dict[str, Any]:
    key = get_object_or_404(DkimKey, pk=key_id)
    return key_json(activate_key(key, actor_of(request), unpublished=body.unpublished))


@router.post(
    "/dkim-keys/{key_id}/retire", auth=ADMINISTERING, response=DkimKeyOut, summary="Sign with a key no longer"
)
def retire_dkim_key(request: HttpRequest, key_id: Id) -> dict[str, Any]:
    return key_json(retire_key(get_object_or_404(DkimKey, pk=key_id), actor_of(request)))


@router.delete(
    "/dkim-keys/{key_id}", auth=ADMINISTERING, response={204: None}, summary="Remove a key that signs no mail"
)
def delete_dkim_key(request: HttpRequest, key_id: Id) -> HttpResponse:
    delete_key(get_object_or_404(DkimKey, pk=key_id), actor_of(request))
    return HttpResponse(status=204)


def key_json(row: DkimKey) -> dict[str, Any]:
    """A key by its API names; the private one is not among them."""
    return {
        "id": row.pk, "domain": row.domain, "selector": row.selector, "algorithm": row.algorithm, "state": row.state,
        "record": {"name": row.record_name, "type": "TXT", "value": row.record_value},
        "published_at": row.published_at, "state_since": row.state_since, "created_at": row.created_at,
        "created_by": row.created_by,
    }
