"""Notifications: a job that Postroom does not run tells people how it ended."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field, StrictStr

from postroom.flow.notices import notification as notifying
from postroom.flow.notices.hand_in import handed_in
from postroom.terms.problem import FieldError, invalid_fields
from postroom.terms.wording import worded

from .access import SENDING, token_of
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Notifications"])
_TITLE = "The subject, where the usual one, such as “Import failed”, says too little."
_RECIPIENTS = "Addresses; with `group`, or instead of it."
_LOG = "Attached as a file, without what looks like a password, key or token; the middle of a long one is left out."


class NotificationIn(Strict):
    """How a job ended, and who is told."""

    job: Annotated[
        StrictStr, Field(min_length=1, max_length=notifying.JOB_CHARACTERS, description="What people call it.")
    ]
    outcome: Literal["success", "warning", "error"]
    title: Annotated[StrictStr, Field(max_length=notifying.TITLE_CHARACTERS, description=_TITLE)] = ""
    text: Annotated[StrictStr, Field(max_length=notifying.TEXT_CHARACTERS, description="What happened, in words.")] = ""
    log: Annotated[StrictStr, Field(max_length=notifying.LOG_CHARACTERS, description=_LOG)] = ""
    recipients: Annotated[
        tuple[Annotated[StrictStr, Field(max_length=320)], ...], Field(max_length=1_000, description=_RECIPIENTS)
    ] = ()
    group: Annotated[StrictStr, Field(max_length=100, description="Name or id of a group of recipients.")] = ""
    run_url: Annotated[
        StrictStr, Field(max_length=notifying.URL_CHARACTERS, description="Where the run can be seen.")
    ] = ""


class QueuedDelivery(Schema):
    id: str
    recipient: str
    state: str


class QueuedMessage(Schema):
    id: str
    deliveries: list[QueuedDelivery]


class NotificationOut(Schema):
    """One message for each recipient, in the recipient's language."""

    messages: list[QueuedMessage]


@router.post(
    "/notifications", auth=SENDING, response={202: NotificationOut}, summary="Tell people how a job of yours ended",
    openapi_extra={"parameters": [{
        "name": "Idempotency-Key", "in": "header", "required": False,
        "description": "The same key and body are answered alike and sent once; another body is refused with 409.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    }]},
)
def post_notification(request: HttpRequest, body: NotificationIn) -> Status[dict[str, Any]]:
    refuse_unknown_query(request)
    _check(body)
    people = notifying.recipients_of(body.recipients, body.group)
    made = notifying.Notification(body.job.strip(), body.outcome, body.title.strip(), body.text, body.log, body.run_url)
    bodies = notifying.notification_bodies(made, people)
    accepted = handed_in(bodies, token_of(request), request.headers.get("Idempotency-Key"))
    return Status(202, {"messages": [one.as_json() for one in accepted]})


def _check(body: NotificationIn) -> None:
    """Raises Problem for what would make a subject or a link that nobody can read."""
    errors = [
        FieldError(name, "invalid", worded("Enter text without line breaks and controls."))
        for name, value in (("job", body.job), ("title", body.title))
        if not value.isprintable() or (name == "job" and not value.strip())
    ]
    if body.run_url and not (body.run_url.startswith(("https://", "http://")) and body.run_url.isprintable()
                             and " " not in body.run_url):
        errors.append(FieldError("run_url", "invalid", worded("Enter an address that begins with https:// or http://.")))
    if errors:
        raise invalid_fields(errors)
