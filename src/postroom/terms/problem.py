"""A refusal as a document (RFC 9457, application/problem+json): what is wrong, which field, and what to do."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field at fault by its API name, such as "attachments.0.filename"; `text` includes the remedy.

    `suggestion` maps API names of fields to the values that would repair it."""

    field: str
    code: str
    text: str
    suggestion: dict[str, str | int] | None = None


class Problem(Exception):
    """A request that is refused. `slug` is stable for scripts; `title` is the same for every problem of that slug."""

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        *,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(f"{title}: {detail}")
        self.status, self.slug, self.title, self.detail = status, slug, title, detail
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s

    def as_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "type": f"/api/docs#problem-{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = [asdict(error) for error in self.errors]
        return document

    @property
    def header(self) -> dict[str, str]:
        """HTTP fields that belong to the answer."""
        fields = {"Cache-Control": "no-store"}
        if self.status == 401:
            fields["WWW-Authenticate"] = 'Bearer realm="Postroom"'
        if self.retry_after_s is not None:
            fields["Retry-After"] = str(self.retry_after_s)
        return fields


def invalid_fields(errors: Sequence[FieldError]) -> Problem:
    """422: the request is well-formed, but fields of it can't be taken."""
    names = ", ".join(dict.fromkeys(error.field for error in errors))
    return Problem(422, "invalid-fields", "Some fields can't be taken", f"Correct: {names}.", errors)


def unauthorized() -> Problem:
    """401, the same for a missing, unknown, revoked or expired token (W8)."""
    detail = "Send a valid token as “Authorization: Bearer …”. An administrator creates tokens on the page API tokens."
    return Problem(401, "unauthorized", "A valid token is needed", detail)


def forbidden(needed: str) -> Problem:
    """403: the token is good, its scope is not."""
    detail = f"This needs a token with the scope {needed}. Ask an administrator for one."
    return Problem(403, "forbidden", "The token's scope does not reach that far", detail)


def too_large(limit_bytes: int, what: str = "request") -> Problem:
    detail = f"The {what} is larger than {limit_bytes:,} bytes. Send less, or a link instead of an attachment."
    return Problem(413, "too-large", "The content is too large", detail)
