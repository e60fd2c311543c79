"""Recipients: who gets mail; listed, added, changed, removed, taken from a file."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from pydantic import Field, StrictBool, StrictStr

from postroom.flow.domains.recipient_domains import DOMAINS, allow_only, allowed_domains
from postroom.flow.instance.reader import translated
from postroom.flow.messages.submitted import Octets, PlainValue
from postroom.flow.recipients.recipient_book import add_recipient, change_recipient, recipient_json, remove_recipients
from postroom.flow.recipients.recipient_file import FileRefused
from postroom.flow.recipients.recipient_import import take, undo
from postroom.flow.recipients.recipient_list import recipients_like
from postroom.flow.recipients.recipient_plan import Fate, Plan, planned
from postroom.flow.recipients.recipient_values import NAME_CHARACTERS, VALUES
from postroom.store.models import Recipient, RecipientImport
from postroom.terms.problem import FieldError, invalid_fields

from .access import ADMINISTERING, READING, actor_of
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Recipients"])
Id = Annotated[str, Field(max_length=26)]
Ids = Annotated[tuple[Annotated[StrictStr, Field(max_length=26)], ...], Field(max_length=500)]
# The bad lines that an answer tells.
_LINES_TOLD = 500


class RecipientOut(Schema):
    """A person who gets mail. Empty `language` and `time_zone` mean those of the installation; `groups` are ids."""

    id: str
    address: str
    name: str
    language: str
    time_zone: str
    values: dict[str, Any]
    groups: list[str]
    created_at: datetime
    updated_at: datetime


class Recipients(Schema):
    recipients: list[RecipientOut]
    next_before: str | None


class RecipientIn(Strict):
    """A recipient, or changes to one: only the fields that are there change."""

    address: Annotated[StrictStr, Field(max_length=320)] = ""
    name: Annotated[StrictStr, Field(max_length=NAME_CHARACTERS)] = ""
    language: Annotated[StrictStr, Field(max_length=8, description="Such as en, fr or pt-BR.")] = ""
    time_zone: Annotated[StrictStr, Field(max_length=64, description="Such as Europe/Paris.")] = ""
    values: Annotated[
        dict[Annotated[StrictStr, Field(max_length=64)], PlainValue],
        Field(max_length=VALUES, description="Further facts by name, for templates and for who gets which file."),
    ] = Field(default_factory=dict)
    groups: Annotated[Ids, Field(description="Ids of all groups to be in.")] = ()


class RecipientFilter(Schema):
    q: Annotated[str, Field(max_length=254, description="Part of the address or the name.")] = ""
    group: Annotated[str, Field(max_length=26, description="Id of a group.")] = ""
    before: Annotated[str, Field(max_length=26, description="`next_before` of the page before.")] = ""
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class ImportIn(Strict):
    """A file of recipients. The names of its columns stand on the first line: address, name, language, time_zone,
    groups (with semicolons between); other columns become further values. Empty cells change nothing."""

    content_base64: Annotated[Octets, Field(description="CSV in UTF-8, or XLSX.")]
    filename: Annotated[StrictStr, Field(max_length=255)] = ""
    group: Annotated[StrictStr, Field(max_length=100, description="Name of a group that everybody joins.")] = ""
    dry_run: Annotated[StrictBool, Field(description="Only tell what would become of each line.")] = False


class BadLine(Schema):
    """A line that is left out, and why."""

    line: int
    address: str
    problem: str


class Imported(Schema):
    """`id` names the import for undoing it, null after a dry run. `unchanged` lines said what was there already."""

    id: str | None
    added: int
    changed: int
    unchanged: int
    left_out: int
    new_groups: list[str]
    bad_lines: list[BadLine]


class Undone(Schema):
    """How many recipients were removed, and how many got their earlier values back."""

    removed: int
    set_back: int


class DomainsIn(Strict):
    domains: Annotated[
        tuple[Annotated[StrictStr, Field(max_length=320)], ...],
        Field(max_length=DOMAINS, description="Such as example.org, or *.example.org for those below; none: all."),
    ]


class Domains(Schema):
    """The domains that mail may go to; none means every domain."""

    domains: list[str]


@router.get("/recipients", auth=READING, response=Recipients, summary="List recipients, newest first")
def list_recipients(request: HttpRequest, query: Query[RecipientFilter]) -> dict[str, Any]:
    refuse_unknown_query(request, RecipientFilter)
    found = recipients_like(query.q, query.group)
    if query.before:
        found = found.filter(pk__lt=query.before)
    rows = list(found.prefetch_related("memberships").order_by("-pk")[: query.limit])
    return {
        "recipients": [_json(row) for row in rows],
        "next_before": rows[-1].pk if len(rows) == query.limit else None,
    }


@router.post("/recipients", auth=ADMINISTERING, response={201: RecipientOut}, summary="Add a recipient")
def create_recipient(request: HttpRequest, body: RecipientIn) -> Status[dict[str, Any]]:
    given = body.model_dump()
    row = add_recipient(given, actor_of(request), given.pop("groups"))
    return Status(201, _json(row))


@router.post(
    "/recipients/import", auth=ADMINISTERING, response=Imported, summary="Take recipients from a file, or only look"
)
def import_recipients(request: HttpRequest, body: ImportIn) -> dict[str, Any]:
    try:
        plan = planned(body.content_base64, body.group.strip())
    except FileRefused as refused:
        raise invalid_fields([FieldError("content_base64", "invalid", translated(refused.text))]) from None
    if body.dry_run:
        return _imported(plan, None)
    return _imported(plan, take(plan, file_name=body.filename, actor=actor_of(request)).pk)


@router.post("/recipients/imports/{import_id}/undo", auth=ADMINISTERING, response=Undone, summary="Undo an import")
def undo_import(request: HttpRequest, import_id: Id) -> dict[str, int]:
    refuse_unknown_query(request)
    get_object_or_404(RecipientImport, pk=import_id)
    removed, set_back = undo(import_id, actor=actor_of(request))
    return {"removed": removed, "set_back": set_back}


@router.get("/recipients/{recipient_id}", auth=READING, response=RecipientOut, summary="One recipient")
def get_recipient(request: HttpRequest, recipient_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return _json(_recipient(recipient_id))


@router.patch("/recipients/{recipient_id}", auth=ADMINISTERING, response=RecipientOut, summary="Change a recipient")
def patch_recipient(request: HttpRequest, recipient_id: Id, body: RecipientIn) -> dict[str, Any]:
    given = body.model_dump(exclude_unset=True)
    groups = given.pop("groups", None)
    return _json(change_recipient(_recipient(recipient_id).pk, given, actor_of(request), groups))


@router.delete("/recipients/{recipient_id}", auth=ADMINISTERING, response={204: None}, summary="Remove a recipient")
def delete_recipient(request: HttpRequest, recipient_id: Id) -> HttpResponse:
    refuse_unknown_query(request)
    remove_recipients([_recipient(recipient_id).pk], actor_of(request))
    return HttpResponse(status=204)


@router.get("/recipient-domains", auth=READING, response=Domains, summary="The domains that mail may go to")
def get_domains(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"domains": list(allowed_domains().patterns)}


@router.put("/recipient-domains", auth=ADMINISTERING, response=Domains, summary="Allow only these domains, or all")
def put_domains(request: HttpRequest, body: DomainsIn) -> dict[str, Any]:
    return {"domains": list(allow_only(body.domains, actor_of(request)).patterns)}


def _imported(plan: Plan, id_: str | None) -> dict[str, Any]:
    bad: list[dict[Literal["line", "address", "problem"], Any]] = [
        {"line": line.number, "address": line.typed, "problem": translated(line.problem)}
        for line in plan.bad[:_LINES_TOLD]
    ]
    return {
        "id": id_, "added": plan.count(Fate.NEW), "changed": plan.count(Fate.CHANGED),
        "unchanged": plan.count(Fate.SAME), "left_out": len(plan.bad), "new_groups": list(plan.new_groups),
        "bad_lines": bad,
    }


def _recipient(recipient_id: str) -> Recipient:
    return get_object_or_404(Recipient, pk=recipient_id)


def _json(row: Recipient) -> dict[str, Any]:
    groups = sorted(member.group_id for member in row.memberships.all())
    return {
        "id": row.pk, **recipient_json(row), "groups": groups, "created_at": row.created_at,
        "updated_at": row.updated_at,
    }
