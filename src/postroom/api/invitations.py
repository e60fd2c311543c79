"""Invitations: a new user who chooses a password by a link in a mail."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import Field, StrictStr

from postroom.flow.notices.account_mail import invited_by_mail
from postroom.flow.users.account_links import invitations
from postroom.flow.users.first_start import NAME_LENGTH
from postroom.flow.users.people import PersonRefused
from postroom.store.models import AccountLink
from postroom.terms.problem import FieldError, invalid_fields

from .access import ADMINISTERING, actor_of
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Users"])
Role = Literal["viewer", "operator", "administrator"]


class InvitationIn(Strict):
    """Whom to invite. Of somebody who was invited before, name and role stay as they are."""

    email: Annotated[StrictStr, Field(min_length=1, max_length=254)]
    name: Annotated[StrictStr, Field(min_length=1, max_length=NAME_LENGTH)]
    role: Role = "viewer"


class InvitationOut(Schema):
    """The link itself is told to nobody but whom it is mailed to. `mailed` says whether that mail is queued yet; until
    `expires_at` the person can choose a password."""

    user: str
    email: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime
    mailed: bool


class Invitations(Schema):
    invitations: list[InvitationOut]


@router.get(
    "/users/invitations", auth=ADMINISTERING, response=Invitations,
    summary="Who was invited and has not chosen a password yet",
)
def list_invitations(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"invitations": [_json(link) for link in invitations()]}


@router.post(
    "/users/invitations", auth=ADMINISTERING, response={200: InvitationOut, 201: InvitationOut},
    summary="Invite a user by mail; 200 with a new link for whoever was invited before",
)
def invite_user(request: HttpRequest, body: InvitationIn) -> Status[dict[str, Any]]:
    refuse_unknown_query(request)
    try:
        link, is_new = invited_by_mail(
            body.email, name=body.name, role=body.role, actor=actor_of(request), now=timezone.now()
        )
    except PersonRefused as refused:
        raise invalid_fields([FieldError(refused.field or "email", "invalid", refused.text)]) from None
    return Status(201 if is_new else 200, _json(link))


def _json(link: AccountLink) -> dict[str, Any]:
    user = link.user
    return {
        "user": link.user_id, "email": link.address, "name": user.name if user else "",
        "role": user.role if user else "viewer", "created_at": link.created_at, "expires_at": link.expires_at,
        "mailed": link.queued_at is not None,
    }
