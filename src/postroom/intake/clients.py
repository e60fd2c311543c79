"""Who asks, without a question to the database for every request: a token is read again once it is a second old."""

import logging
import time
from concurrent.futures import Executor

from django.db import DatabaseError, connection
from django.utils import timezone

from postroom.flow.acceptance.fresh import Fresh
from postroom.flow.users.tokens import bearer_of, client_of_digest, digest_of, may, use_is_worth_noting
from postroom.store.models import ApiToken
from postroom.store.outbox import Outbox
from postroom.store.writer import StorageBusy
from postroom.terms.problem import Problem, forbidden, unauthorized

from .exchange import Scope, field_of

# A token whose use was just noted shows it only once the note is committed and the token read again.
_NOTED_FOR_S = 5.0
_ENTRIES = 1_000

log = logging.getLogger("postroom.intake")


class Clients:
    """The API clients that may send. Belongs to one event loop."""

    def __init__(self, outbox: Outbox, executor: Executor) -> None:
        self._outbox = outbox
        self._tokens: Fresh[str, ApiToken] = Fresh(_client, executor)
        self._noted: dict[str, float] = {}

    async def authorized(self, scope: Scope) -> ApiToken:
        """The request's client. Raises Problem: 401 for a stranger, 403 for a token of another scope."""
        digest = _digest_of(scope)
        client = None if digest is None else self._tokens.young(digest) or await self._tokens.get(digest)
        if client is None:
            raise unauthorized()
        return self._permitted(client)

    def known(self, scope: Scope) -> ApiToken | None:
        """The request's client where it was read within the last second; None says nothing. Raises Problem: 403."""
        digest = _digest_of(scope)
        client = None if digest is None else self._tokens.young(digest)
        return None if client is None else self._permitted(client)

    def _permitted(self, client: ApiToken) -> ApiToken:
        if not may(client, "send"):
            raise forbidden("send")
        if use_is_worth_noting(client):
            self._note_use(client)
        return client

    def _note_use(self, client: ApiToken) -> None:
        now = time.monotonic()
        if now - self._noted.get(client.id, -_NOTED_FOR_S) < _NOTED_FOR_S:
            return
        if len(self._noted) >= _ENTRIES:
            self._noted.clear()
        self._noted[client.id] = now
        try:
            # Nobody waits for it: a use that could not be noted is noted with the next request.
            self._outbox.note_use(client.id, timezone.now())
        except StorageBusy:
            log.info("the use of a token was not noted: the database is busy")


def _digest_of(scope: Scope) -> str | None:
    return digest_of(bearer_of(field_of(scope, "authorization") or ""))


def _client(digest: str) -> ApiToken | None:
    try:
        return client_of_digest(digest)
    except DatabaseError as error:
        connection.close()
        detail = "The database can't be read now. Send the message again."
        raise Problem(503, "storage-busy", "The message could not be stored now", detail, retry_after_s=5) from error
