"""The intake as a client meets it: the composed ASGI application over HTTP, on the test process's own database."""

from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import httpx
import pytest

from postroom import asgi
from postroom.asgi import Application
from postroom.flow.servers.configure import save_untested
from postroom.flow.users.tokens import create_token
from postroom.intake.intake import Intake
from postroom.intake.static_files import StaticFiles
from postroom.store.models import SmtpServer
from postroom.terms.server import Security, ServerSettings


@pytest.fixture(autouse=True)
def database(transactional_db: None) -> None:
    """Really committed: other threads and connections read it."""


_static_files = cache(StaticFiles)


@pytest.fixture(autouse=True)
def _static_files_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """To compress them takes longer than most tests of this room."""
    monkeypatch.setattr(asgi, "StaticFiles", _static_files)


SETTINGS = ServerSettings(
    name="Relay",
    from_name="Reports",
    from_address="reports@company.example",
    subject_prefix="[R]",
    host="smtp.company.example",
    port=25,
    security=Security.NONE,
)


@pytest.fixture
def server(database: None) -> SmtpServer:  # noqa: ARG001 - comes first
    """A server that takes deliveries."""
    return save_untested(
        SETTINGS,
        password=None,
        based_on=None,
        server=None,
        reason="for a test",
        use_unverified=True,
        make_default=True,
        actor="test",
    )


@pytest.fixture
def token(database: None) -> str:  # noqa: ARG001 - comes first
    return create_token("Report server", "send", "test")[1]


@pytest.fixture
def intake(database: None, tmp_path: Path) -> Iterator[Intake]:  # noqa: ARG001 - comes first
    started = Intake(tmp_path / "blobs", body_bytes=2_000_000)
    started.start()
    yield started
    started.stop()


@pytest.fixture
async def client(intake: Intake, token: str) -> AsyncIterator[httpx.AsyncClient]:
    async def no_django(*_: object) -> None:
        raise AssertionError("a request for the intake went to Django")

    transport = httpx.ASGITransport(Application(intake, no_django), raise_app_exceptions=True)
    header = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8025", headers=header) as made:
        yield made
