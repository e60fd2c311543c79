"""What comes back about messages: handed in as raw mail, and listed."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import Field

from postroom.flow.delivery.bounce import Way, take_report
from postroom.flow.instance.reader import told
from postroom.store.models import ApiToken, Bounce
from postroom.terms.problem import Problem, too_large

from .access import SENDING, SENDING_OR_READING, token_of
from .schemas import BounceOut
from .strict_parser import refuse_unknown_query

router = Router(tags=["Bounces"])
REPORT_BYTES = 2 * 1024 * 1024
_RAW = {
    "requestBody": {
        "required": True,
        "content": {"message/rfc822": {"schema": {"type": "string", "format": "binary", "maxLength": REPORT_BYTES}}},
    }
}


class Bounces(Schema):
    bounces: list[BounceOut]
    next_before: str | None


class TakenOut(Schema):
    """`verdict`: recorded, repeated (known already), unmatched (about nothing of ours), auto-reply, or no-report."""

    verdict: str
    bounces: list[BounceOut]
    suppressed: list[str]


class BounceFilter(Schema):
    kind: Literal["failed", "delayed", "delivered", "complaint"] | None = None
    message: Annotated[str | None, Field(max_length=26, description="Id of a message.")] = None
    recipient: Annotated[str | None, Field(max_length=254)] = None
    before: Annotated[str | None, Field(max_length=26, description="`next_before` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


@router.post(
    "/bounces", auth=SENDING, response={200: TakenOut}, summary="Hand in a bounce or complaint, as it came",
    openapi_extra=_RAW,
)
def take_bounce(request: HttpRequest) -> Status[dict[str, Any]]:
    refuse_unknown_query(request)
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in ("message/rfc822", "message/global", "application/octet-stream"):
        detail = "Send the message itself, as Content-Type: message/rfc822."
        raise Problem(415, "unsupported-type", "The body has another type", detail)
    if len(request.body) > REPORT_BYTES:
        raise too_large(REPORT_BYTES, "report")
    taken = take_report(request.body, Way.API, timezone.now(), only_client=_own(token_of(request)))
    return Status(200, {
        "verdict": str(taken.verdict),
        "bounces": [bounce_json(bounce) for bounce in taken.bounces],
        "suppressed": list(taken.suppressed),
    })


@router.get("/bounces", auth=SENDING_OR_READING, response=Bounces, summary="List bounces, newest first")
def list_bounces(request: HttpRequest, query: Query[BounceFilter]) -> dict[str, Any]:
    refuse_unknown_query(request, BounceFilter)
    own = _own(token_of(request))
    given = {
        "kind": query.kind, "message_id": query.message, "recipient": query.recipient, "pk__lt": query.before,
        "message__client_id": own,
    }
    found = Bounce.objects.filter(**{name: value for name, value in given.items() if value is not None})
    rows = list(found.order_by("-pk")[: query.limit])
    return {
        "bounces": [bounce_json(row) for row in rows],
        "next_before": rows[-1].pk if len(rows) == query.limit else None,
    }


def bounce_json(row: Bounce) -> dict[str, Any]:
    """A bounce as `BounceOut`."""
    return {
        "id": row.pk, "at": row.at, "kind": row.kind, "message": row.message_id, "delivery": row.delivery_id,
        "recipient": row.recipient, "status": row.status, "diagnostic": row.diagnostic,
        "is_permanent": row.is_permanent, "cause": row.cause, "finding": told(row.finding) or None, "way": row.way,
    }


def _own(token: ApiToken) -> str | None:
    """A sending token reports and sees what is about its own messages, the others all."""
    return token.pk if token.scope == ApiToken.Scope.SEND else None
