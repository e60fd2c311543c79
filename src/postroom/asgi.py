"""The web process's one application: the hot doors in front, Django behind, on the same port.

uvicorn's lifespan starts and stops the intake's writer. Django's bodies are read here first, within limits of size and
time, because Django itself would spool any length to the disk (B6). What names another host than ours reaches no door.
"""

import asyncio
import os
from functools import lru_cache
from pathlib import Path

from django.conf import settings

if not settings.configured:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "postroom.settings")

from django.core.asgi import get_asgi_application
from django.http.request import split_domain_port, validate_host

from postroom.intake.exchange import (
    App,
    ClientGone,
    Receive,
    Scope,
    Send,
    answer_problem,
    answer_text,
    body_of,
    field_of,
)

DJANGO_BODY_BYTES = 2 * 1024 * 1024
# Messages with files that are read into memory at once, from people who are signed in.
UPLOADS_AT_ONCE = 2
# A longer Host field names nobody (RFC 1035 section 2.3.4, with a port).
_HOST_CHARACTERS = 300
_OTHER_HOST = (
    "Postroom does not answer to this host. Open it by the address in POSTROOM_URL. If people reach it by this host,"
    " set POSTROOM_URL to that address and start Postroom again. A reverse proxy has to hand on the Host field."
)

_django = get_asgi_application()

from postroom.flow.instance.loaded import leave_to_memory  # noqa: E402
from postroom.intake.intake import Intake  # noqa: E402 - its models need Django set up
from postroom.intake.pushes import Pushes  # noqa: E402
from postroom.intake.static_files import StaticFiles  # noqa: E402
from postroom.pages.engine_watch import EngineWatch  # noqa: E402
from postroom.pages.upload import body_limit, takes_upload  # noqa: E402
from postroom.store.queue import Enqueued  # noqa: E402
from postroom.terms.problem import Problem  # noqa: E402


class Application:
    """Chooses the door for each request."""

    def __init__(self, intake: Intake, django: App) -> None:
        self._intake = intake
        self._static, self._pushes = StaticFiles(), Pushes(Path(settings.DATA_DIR) / "blobs")
        self._django = django
        self._watch = EngineWatch()
        self._uploading = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self.answer_of, self.answer_taken = intake.answer_of, intake.answer_taken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and not _names_us(scope):
            await _refuse_host(scope, send)
        elif self._intake.takes(scope):
            await self._intake(scope, receive, send)
        elif self._pushes.takes(scope):
            await self._pushes(scope, receive, send)
        elif self._static.takes(scope):
            await self._static(scope, receive, send)
        elif scope["type"] == "http":
            await self._pass_on(scope, receive, send)

    def taken_at_once(self, scope: Scope, octets: bytes) -> "asyncio.Future[Enqueued] | None":
        """As `Intake.taken_at_once`, for a request that names us; the intake has `answer_of`, `answer_taken`."""
        return self._intake.taken_at_once(scope, octets) if _names_us(scope) else None

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        cookies = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
        if not await takes_upload(scope["method"], scope["path"], cookies):
            await self._pass_body(scope, receive, send, DJANGO_BODY_BYTES)
            return
        async with self._uploading:
            await self._pass_body(scope, receive, send, body_limit())

    async def _pass_body(self, scope: Scope, receive: Receive, send: Send, limit_bytes: int) -> None:
        try:
            body = await body_of(scope, receive, limit_bytes)
        except Problem as problem:
            await answer_problem(send, problem)
            return
        except ClientGone:
            return
        given = False

        async def replayed() -> dict[str, object]:
            nonlocal given
            if given:
                return dict(await receive())
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._django(scope, replayed, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                self._intake.start()
                self._watch.start()
                leave_to_memory()
                await send({"type": "lifespan.startup.complete"})
            elif event["type"] == "lifespan.shutdown":
                await self._watch.stop()
                self._intake.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _names_us(scope: Scope) -> bool:
    """Whether the request's one Host field names a host that is ours."""
    try:
        return _is_ours((field_of(scope, "host") or "")[:_HOST_CHARACTERS], tuple(settings.ALLOWED_HOSTS))
    except Problem:
        return False


@lru_cache(maxsize=100)
def _is_ours(named: str, allowed: tuple[str, ...]) -> bool:
    host, _ = split_domain_port(named)
    return bool(host) and validate_host(host, allowed)


async def _refuse_host(scope: Scope, send: Send) -> None:
    """Programs hear a problem, people a sentence."""
    if scope["path"].startswith("/api/"):
        await answer_problem(send, Problem(400, "host-not-allowed", "The host is not ours", _OTHER_HOST))
    else:
        await answer_text(send, 400, _OTHER_HOST)


application = Application(
    Intake(Path(settings.DATA_DIR) / "blobs"),
    _django,  # type: ignore[arg-type]
)
