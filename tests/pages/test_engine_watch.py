"""While no engine runs, the web process alone says so: nothing here starts, or talks to, an engine."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from django.db import connections
from django.test import Client
from django.utils import timezone

from postroom import asgi
from postroom.asgi import Application
from postroom.cli import doctor
from postroom.flow.users.tokens import create_token
from postroom.intake.intake import Intake
from postroom.pages.engine_watch import EngineWatch
from postroom.store.heartbeat import store_heartbeat
from postroom.store.models import Alert

pytestmark = pytest.mark.django_db(transaction=True)


@asynccontextmanager
async def web_process(blobs: Path) -> AsyncIterator[None]:
    """The application as its server starts and stops it."""
    told: asyncio.Queue[dict[str, object]] = asyncio.Queue()
    answered: asyncio.Queue[dict[str, object]] = asyncio.Queue()
    application = Application(Intake(blobs), get_asgi_application())  # type: ignore[arg-type]
    living = asyncio.create_task(application({"type": "lifespan"}, told.get, answered.put))
    for step in ("startup", "shutdown"):
        await told.put({"type": f"lifespan.{step}"})
        assert (await answered.get())["type"] == f"lifespan.{step}.complete"
        if step == "startup":
            try:
                yield
            except BaseException:
                living.cancel()
                raise
    await living


async def noticed_missing() -> None:
    for _ in range(400):
        if await Alert.objects.filter(kind="engine-missing", closed_at=None).aexists():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nobody noticed")


def test_what_needs_no_engine_tells_that_it_is_missing(
    tmp_path: Path, page: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asgi, "EngineWatch", partial(EngineWatch, first_s=0.0, look_s=0.05))
    monkeypatch.setattr(doctor, "open_instance", lambda _: True)
    store_heartbeat(timezone.now() - timedelta(minutes=10), "running")

    async def noticed() -> None:
        async with web_process(tmp_path / "blobs"):
            await noticed_missing()
        await sync_to_async(connections.close_all)()

    asyncio.run(noticed())
    # The banner, on every page.
    for path in ("/", "/messages", "/alerts"):
        assert "Delivery is not running" in page.get(path).content.decode()
    # The exit status.
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    assert doctor.run(parser.parse_args([])) == 1
    assert "Delivery is not running" in capsys.readouterr().out
    # What monitoring reads.
    header = {"Authorization": f"Bearer {create_token('Monitoring', 'read', 'test')[1]}"}
    ready = page.get("/health/ready", headers=header).json()
    assert ready["status"] == "degraded"
    assert "engine-stopped" in {cause["cause"] for cause in ready["causes"]}
    assert "\npostroom_engine_up 0" in page.get("/metrics", headers=header).content.decode()
