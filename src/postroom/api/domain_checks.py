"""What the DNS says of mail domains: asked for, looked at by the engine, read."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from pydantic import Field, StrictBool, StrictStr

from postroom.diagnosis.domain import has_words, wording_of
from postroom.flow.domains.check_domain import TooManyChecks, ask
from postroom.flow.domains.read_domain import domain_in
from postroom.store.models import DomainCheck, SmtpServer
from postroom.terms.problem import FieldError, Problem, invalid_fields

from .access import ADMINISTERING, READING
from .schemas import Started, Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Domains"])
Id = Annotated[str, Field(max_length=26)]


class DomainCheckIn(Strict):
    """A domain, or an address in it, and the server that sends for it, if any."""

    domain: Annotated[StrictStr, Field(max_length=253)] = ""
    address: Annotated[StrictStr, Field(max_length=320)] = ""
    server: Annotated[
        StrictStr | None, Field(max_length=100, description="Name or id of the SMTP server that sends for the domain.")
    ] = None
    anew: Annotated[
        StrictBool, Field(description="Look now, even when a result of the last ten minutes is there.")
    ] = False


class RecordOut(Schema):
    """A DNS record to publish; an empty `value` is shown by the provider's account."""

    name: str
    type: str
    value: str


class PartOut(Schema):
    """One statement. `slug` and `values` are stable; `title`, `sentence` and `fix` say them in English."""

    slug: str
    status: Literal["ok", "warn", "bad", "unknown"]
    title: str
    sentence: str
    fix: str
    record: str
    add: list[RecordOut]
    page: str
    values: dict[str, str]


class DomainCheckOut(Schema):
    """`parts` by name: mx (the domain accepts mail), spf, dkim and dmarc (mail from it is believed), or domain."""

    id: str
    domain: str
    server_host: str
    status: Literal["queued", "running", "finished"]
    parts: dict[str, PartOut]
    exchangers: list[str]
    created_at: datetime
    finished_at: datetime | None


@router.post(
    "/domain-checks", auth=ADMINISTERING, response={202: Started}, summary="Look at the DNS of a mail domain"
)
def start_check(request: HttpRequest, body: DomainCheckIn) -> Status[dict[str, Any]]:
    del request
    field = "domain" if body.domain or not body.address else "address"
    if body.domain and body.address:
        raise invalid_fields([FieldError("address", "twice", "Give domain or address, not both.")])
    domain = domain_in(body.domain or body.address)
    if not domain:
        raise invalid_fields([FieldError(field, "invalid", "Give a full domain, such as example.com.")])
    try:
        check = ask(domain, _host_of(body.server), anew=body.anew)
    except TooManyChecks:
        detail = "Many domains wait to be looked at. Ask again in a minute."
        raise Problem(409, "not-possible", "That is not possible now", detail, retry_after_s=60) from None
    return Status(202, {"id": check.pk})


@router.get("/domain-checks/{check_id}", auth=READING, response=DomainCheckOut, summary="What the DNS said of a domain")
def get_check(request: HttpRequest, check_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    check = get_object_or_404(DomainCheck, pk=check_id)
    parts = check.result.get("parts", {})
    return {
        "id": check.pk,
        "domain": check.domain,
        "server_host": check.server_host,
        "status": "finished" if check.finished_at else "running" if check.started_at else "queued",
        "parts": {name: part_json(part) for name, part in parts.items() if has_words(part)},
        "exchangers": check.result.get("exchangers", []),
        "created_at": check.created_at,
        "finished_at": check.finished_at,
    }


def part_json(part: dict[str, Any]) -> dict[str, Any]:
    """A stored part with its words."""
    words = wording_of(part, "en")
    sentence = f"{words.sentence} {words.suggestion}".strip()
    return {**part, "title": words.badge, "sentence": sentence, "fix": words.fix}


def _host_of(server: str | None) -> str:
    if server is None:
        return ""
    rows = SmtpServer.objects.all()
    row = rows.filter(pk=server).first() or rows.filter(name=server).first()
    if row is None:
        raise invalid_fields([FieldError("server", "not-found", "There is no SMTP server of this name or id.")])
    return row.typed_settings.host
