"""Who may call what: bearer tokens with scopes. Every operation names the scopes that reach it; admin reaches all."""

from typing import Any

from django.http import HttpRequest
from ninja.security.base import AuthBase

from postroom.flow.users.tokens import bearer_of, client_of, note_use
from postroom.store.models import ApiToken
from postroom.terms.problem import forbidden, unauthorized


class Bearer(AuthBase):
    """The token of the request as `request.auth`, when its scope is one of `scopes` or admin. Raises Problem."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, *scopes: str) -> None:
        super().__init__()
        self.scopes = (*scopes, "admin")

    def __call__(self, request: HttpRequest) -> Any:
        token = client_of(bearer_of(request.headers.get("Authorization", "")))
        if token is None:
            raise unauthorized()
        if token.scope not in self.scopes:
            raise forbidden(" or ".join(self.scopes))
        note_use(token)
        return token


def token_of(request: HttpRequest) -> ApiToken:
    """The token that `Bearer` let in."""
    token = getattr(request, "auth", None)
    if not isinstance(token, ApiToken):
        raise unauthorized()
    return token


def actor_of(request: HttpRequest) -> str:
    """Who the audit trail names."""
    return f"API token {token_of(request).name}"


READING = Bearer("read")
SENDING = Bearer("send")
# A sending token sees what became of its own messages (see `postroom.api.messages`), a reading one sees all.
SENDING_OR_READING = Bearer("send", "read")
ADMINISTERING = Bearer()
