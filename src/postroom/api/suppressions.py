"""Suppressed recipients: listed, added, removed."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import Field, StrictStr

from postroom.flow.recipients.suppression import checked_entry, release, suppress
from postroom.store.models import Suppression
from postroom.terms.address import canonical

from .access import ADMINISTERING, READING, actor_of
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Suppressions"])
Id = Annotated[str, Field(max_length=26)]
Reason = Literal["hard-bounce", "complaint", "unsubscribe", "manual"]
_LIST = 'Name of a list; "*" for every list, "" for every message.'


class SuppressionOut(Schema):
    """`list` as told under POST; `message` is the id of the message whose bounce or complaint it was."""

    id: str
    address: str
    list: str
    reason: Reason
    since: datetime
    evidence: str
    message: str | None
    created_by: str


class Suppressions(Schema):
    suppressions: list[SuppressionOut]
    next_before: str | None


class SuppressionIn(Strict):
    """An address that gets no mail from now on. `unsubscribe` without a list stops every list, and no other mail."""

    address: Annotated[StrictStr, Field(max_length=320)]
    reason: Reason = "manual"
    list: Annotated[StrictStr, Field(max_length=100, description=_LIST)] = ""
    evidence: Annotated[StrictStr, Field(max_length=500, description="Why, for whoever looks later.")] = ""


class SuppressionFilter(Schema):
    address: Annotated[str | None, Field(max_length=320)] = None
    list: Annotated[str | None, Field(max_length=100)] = None
    reason: Reason | None = None
    before: Annotated[str | None, Field(max_length=26, description="`next_before` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


@router.get("/suppressions", auth=READING, response=Suppressions, summary="List suppressed recipients, newest first")
def list_suppressions(request: HttpRequest, query: Query[SuppressionFilter]) -> dict[str, Any]:
    refuse_unknown_query(request, SuppressionFilter)
    given = {
        "address": None if query.address is None else canonical(query.address.strip()), "list_name": query.list,
        "reason": query.reason, "pk__lt": query.before,
    }
    found = Suppression.objects.filter(**{name: value for name, value in given.items() if value is not None})
    rows = list(found.order_by("-pk")[: query.limit])
    return {
        "suppressions": [suppression_json(row) for row in rows],
        "next_before": rows[-1].pk if len(rows) == query.limit else None,
    }


@router.post(
    "/suppressions", auth=ADMINISTERING, response={200: SuppressionOut, 201: SuppressionOut},
    summary="Suppress a recipient; 200 when it was suppressed to that extent already",
)
def add_suppression(request: HttpRequest, body: SuppressionIn) -> Status[dict[str, Any]]:
    entry = checked_entry(body.address, body.reason, body.list, body.evidence)
    new = suppress([entry], actor=actor_of(request), now=timezone.now())
    row = Suppression.objects.get(address=entry.address, list_name=entry.list_name)
    return Status(201 if new else 200, suppression_json(row))


@router.get(
    "/suppressions/{suppression_id}", auth=READING, response=SuppressionOut, summary="One suppressed recipient"
)
def get_suppression(request: HttpRequest, suppression_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return suppression_json(get_object_or_404(Suppression, pk=suppression_id))


@router.delete(
    "/suppressions/{suppression_id}", auth=ADMINISTERING, response={204: None},
    summary="Let a recipient get mail again",
)
def remove_suppression(request: HttpRequest, suppression_id: Id) -> HttpResponse:
    row = get_object_or_404(Suppression, pk=suppression_id)
    release([row.pk], actor=actor_of(request))
    return HttpResponse(status=204)


def suppression_json(row: Suppression) -> dict[str, Any]:
    """A row as `SuppressionOut`."""
    return {
        "id": row.pk, "address": row.address, "list": row.list_name, "reason": row.reason, "since": row.since,
        "evidence": row.evidence, "message": row.message_id, "created_by": row.created_by,
    }
