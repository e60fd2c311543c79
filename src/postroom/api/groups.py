"""Groups of recipients: listed, made, changed, removed; who is in them."""

from datetime import datetime
from typing import Annotated, Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from pydantic import Field, StrictStr

from postroom.flow.recipients import recipient_groups as groups
from postroom.store.models import RecipientGroup

from .access import ADMINISTERING, READING, actor_of
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Recipients"])
Id = Annotated[str, Field(max_length=26)]
Members = Annotated[
    tuple[Annotated[StrictStr, Field(max_length=500)], ...],
    Field(
        max_length=groups.ENTRIES,
        description="Ids of recipients, addresses, or “Ann <ann@example.org>”; who is no recipient yet becomes one.",
    ),
]


class GroupOut(Schema):
    """A group; `members` is how many recipients are in it. GET /recipients?group=… lists them."""

    id: str
    name: str
    description: str
    members: int
    created_at: datetime


class Groups(Schema):
    """All groups, by name."""

    groups: list[GroupOut]


class GroupChange(Strict):
    """Changes to a group: only the fields that are there change."""

    name: Annotated[StrictStr, Field(max_length=groups.NAME_CHARACTERS)] = ""
    description: Annotated[StrictStr, Field(max_length=groups.DESCRIPTION_CHARACTERS)] = ""


class GroupIn(GroupChange):
    """A new group."""

    members: Members = ()


class MembersIn(Strict):
    """Who comes in and who leaves; whoever leaves stays a recipient."""

    add: Members = ()
    remove: Annotated[
        tuple[Annotated[StrictStr, Field(max_length=26)], ...], Field(max_length=500, description="Ids of recipients.")
    ] = ()


class MembersOut(Schema):
    """What changed: how many came in, how many of those were no recipients before, how many left."""

    added: int
    new_recipients: int
    removed: int


@router.get("/groups", auth=READING, response=Groups, summary="List groups of recipients")
def list_groups(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"groups": [_json(row) for row in _counted()]}


@router.post("/groups", auth=ADMINISTERING, response={201: GroupOut}, summary="Make a group")
def create_group(request: HttpRequest, body: GroupIn) -> Status[dict[str, Any]]:
    row, _ = groups.add_group(body.model_dump(), actor_of(request), body.members)
    return Status(201, _json(_group(row.pk)))


@router.get("/groups/{group_id}", auth=READING, response=GroupOut, summary="One group")
def get_group(request: HttpRequest, group_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return _json(_group(group_id))


@router.patch("/groups/{group_id}", auth=ADMINISTERING, response=GroupOut, summary="Change a group")
def patch_group(request: HttpRequest, group_id: Id, body: GroupChange) -> dict[str, Any]:
    groups.change_group(_group(group_id).pk, body.model_dump(exclude_unset=True), actor_of(request))
    return _json(_group(group_id))


@router.delete(
    "/groups/{group_id}", auth=ADMINISTERING, response={204: None},
    summary="Remove a group; its members stay recipients",
)
def delete_group(request: HttpRequest, group_id: Id) -> HttpResponse:
    refuse_unknown_query(request)
    groups.remove_group(_group(group_id).pk, actor_of(request))
    return HttpResponse(status=204)


@router.post("/groups/{group_id}/members", auth=ADMINISTERING, response=MembersOut, summary="Change who is in a group")
def change_members(request: HttpRequest, group_id: Id, body: MembersIn) -> dict[str, int]:
    id_, actor = _group(group_id).pk, actor_of(request)
    joined = groups.add_members(id_, body.add, actor)
    removed = groups.remove_members(id_, body.remove, actor)
    return {"added": joined.members, "new_recipients": joined.recipients, "removed": removed}


def _counted() -> QuerySet[RecipientGroup, Any]:
    return RecipientGroup.objects.annotate(count=Count("memberships")).order_by("name")


def _group(group_id: str) -> Any:
    return get_object_or_404(_counted(), pk=group_id)


def _json(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk, "name": row.name, "description": row.description, "members": row.count,
        "created_at": row.created_at,
    }
