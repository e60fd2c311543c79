"""The look around in the engine, and that web notices an engine that is missing."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.utils import timezone

from postroom.engine.alerts import Alerts
from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.alerts.alert_rules import change_rule
from postroom.flow.servers.configure import save_untested
from postroom.pages.engine_watch import EngineWatch
from postroom.store.blobs import Blobs
from postroom.store.heartbeat import store_heartbeat
from postroom.store.models import Alert, Message, User
from postroom.store.outbox import open_outbox
from postroom.store.turn import OnlyTurn
from postroom.terms.server import Security, ServerSettings

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_S = 20.0


class NotMine(OnlyTurn):
    is_mine = False


@pytest.fixture
def acceptor(tmp_path: Path) -> Iterator[Acceptor]:
    settings = ServerSettings(
        name="Relay", from_address="a@example.org", host="smtp.example.org", port=25, security=Security.NONE
    )
    save_untested(
        settings, password=None, based_on=None, server=None, reason="test", use_unverified=True, actor="test"
    )
    User.objects.create(email="ann@example.org", name="Ann", role="administrator")
    outbox = open_outbox()
    yield Acceptor(outbox.queue, Blobs(tmp_path / "blobs"))
    outbox.close()


async def until_queued() -> bool:
    for _ in range(int(PATIENCE_S / 0.05)):
        if await Message.objects.filter(purpose="alert").aexists():
            return True
        await asyncio.sleep(0.05)
    return False


def test_the_engine_tells_by_itself_what_is_wrong(acceptor: Acceptor) -> None:
    change_rule("disk-low", {"settings": {"megabytes": 10_000_000}}, "test")

    async def run() -> bool:
        alerts = Alerts(acceptor, OnlyTurn(), look_s=0.05)
        try:
            return await until_queued()
        finally:
            await alerts.stop()

    assert asyncio.run(run())
    assert list(Alert.objects.values_list("kind", flat=True)) == ["disk-low"]


def test_an_engine_whose_turn_it_is_not_looks_at_nothing(acceptor: Acceptor) -> None:
    change_rule("disk-low", {"settings": {"megabytes": 10_000_000}}, "test")

    async def run() -> None:
        alerts = Alerts(acceptor, NotMine(), look_s=0.01)
        await asyncio.sleep(0.3)
        await alerts.stop()

    asyncio.run(run())
    assert not Alert.objects.exists()


def test_the_web_process_notices_that_no_engine_is_there() -> None:
    store_heartbeat(timezone.now() - timedelta(minutes=10), "running")

    async def run() -> bool:
        watch = EngineWatch(first_s=0.0, look_s=0.05)
        watch.start()
        try:
            for _ in range(int(PATIENCE_S / 0.05)):
                if await Alert.objects.filter(kind="engine-missing").aexists():
                    return True
                await asyncio.sleep(0.05)
            return False
        finally:
            await watch.stop()
            await sync_to_async(connections.close_all)()

    assert asyncio.run(run())
