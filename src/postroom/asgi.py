"""The web process's one application: the hot doors in front, Django behind, on the same port.

uvicorn's lifespan starts and stops the intake's writer. Django's bodies are read here first, within limits of size and
time, because Django itself would spool any length to the disk (B6).
"""

import os
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "postroom.settings")

from django.conf import settings
from django.core.asgi import get_asgi_application

from postroom.intake.exchange import App, ClientGone, Receive, Scope, Send, answer_problem, body_of

DJANGO_BODY_BYTES = 2 * 1024 * 1024

_django = get_asgi_application()

from postroom.intake.intake import Intake  # noqa: E402 - its models need Django set up
from postroom.intake.static_files import StaticFiles  # noqa: E402
from postroom.terms.problem import Problem  # noqa: E402


class Application:
    """Chooses the door for each request."""

    def __init__(self, intake: Intake, django: App) -> None:
        self._intake = intake
        self._static = StaticFiles()
        self._django = django

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._intake.takes(scope):
            await self._intake(scope, receive, send)
        elif self._static.takes(scope):
            await self._static(scope, receive, send)
        elif scope["type"] == "http":
            await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await body_of(scope, receive, DJANGO_BODY_BYTES)
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
                await send({"type": "lifespan.startup.complete"})
            elif event["type"] == "lifespan.shutdown":
                self._intake.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


application = Application(
    Intake(Path(settings.DATA_DIR) / "postroom.sqlite3", settings.DATA_DIR / "blobs"),
    _django,  # type: ignore[arg-type]
)
