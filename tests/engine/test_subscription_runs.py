"""The engine carries runs out beside each other: one that hangs or breaks holds up no other, and none is lost."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from tests.flow.acceptance.test_accept import saved
from tests.subscribed import asked, pushed, pushed_source, subscribed

from postroom.engine import runs
from postroom.engine.runs import Runs
from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.runs import run_report
from postroom.flow.runs.run import Runner
from postroom.policy.fetch_networks import FetchNetworks
from postroom.store.blobs import Blobs
from postroom.store.change import open_change
from postroom.store.models import Message, ReportSource, Run, RunRecipient
from postroom.store.outbox import open_outbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def silent_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A web server that takes connections and never answers."""
    monkeypatch.setattr(settings, "FETCH_NETWORKS", FetchNetworks.parse("127.0.0.0/8"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/report.csv"


@pytest.fixture
async def working(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], Runs]]:
    monkeypatch.setattr(runs, "LOOK_S", 0.01)
    await sync_to_async(saved)()
    outbox, change = open_outbox(), open_change()
    made: list[Runs] = []

    def begin() -> Runs:
        runner = Runner(Acceptor(outbox.queue, Blobs(data_dir / "blobs")))
        made.append(Runs(runner, change, engine=""))
        return made[-1]

    yield begin
    for each in made:
        await each.stop()
    outbox.close()
    change.close()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if await sync_to_async(condition)():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


def begun(name: str, source: ReportSource) -> Run:
    return asked(subscribed(source, ("ann@example.com",), name=name), datetime.now(UTC))


def pushed_run(name: str, octets: bytes = b"region\r\nNorth\r\n") -> Run:
    source = pushed_source(name)
    pushed(source, datetime.now(UTC), octets)
    return begun(name, source)


def state(run: Run) -> str:
    return str(Run.objects.get(pk=run.pk).state)


async def test_s7_a_source_that_never_answers_holds_up_no_other_run_and_stopping_does_not_wait_for_it(
    working: Callable[[], Runs], silent_url: str
) -> None:
    hanging_source = await ReportSource.objects.acreate(
        name="Silent", kind="url", settings={"url": silent_url, "timeout_s": 60}
    )
    hanging = await sync_to_async(begun)("Silent", hanging_source)
    good = await sync_to_async(pushed_run)("Sales")
    engine = working()
    await until(lambda: state(good) == Run.State.SUCCESS)
    await until(lambda: state(hanging) == Run.State.FETCHING)
    async with asyncio.timeout(5):
        await engine.stop()
    row = await Run.objects.aget(pk=hanging.pk)
    assert (row.state, row.lease_until) == (Run.State.FETCHING, None)
    assert await Message.objects.acount() == 1


async def test_a_run_that_an_earlier_engine_left_behind_goes_on_at_once(working: Callable[[], Runs]) -> None:
    run = await sync_to_async(pushed_run)("Sales")
    left = datetime(2999, 1, 1, tzinfo=UTC)
    await Run.objects.aupdate(state=Run.State.FETCHING, lease_until=left, fence=1)
    working()
    await until(lambda: state(run) == Run.State.SUCCESS)


async def test_a_fault_of_postroom_itself_ends_its_run_and_no_other(working: Callable[[], Runs]) -> None:
    broken, good = await sync_to_async(pushed_run)("Broken"), await sync_to_async(pushed_run)("Sales")
    await RunRecipient.objects.aget_or_create(run=broken, position=0, defaults={"address": "x", "address_key": "x"})
    working()
    await until(lambda: state(good) == Run.State.SUCCESS)
    await until(lambda: state(broken) == Run.State.ERROR)
    row = await Run.objects.aget(pk=broken.pk)
    assert row.problem is not None
    assert row.problem["slug"] == "fault"


async def test_a_run_that_meets_the_same_fault_of_its_machine_each_time_ends_and_says_so(
    working: Callable[[], Runs], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(run_report, "fetched", refused)
    monkeypatch.setattr(runs, "_AGAIN_S", 0.01)
    run = await sync_to_async(pushed_run)("Broken")
    working()
    await until(lambda: Run.objects.get(pk=run.pk).state == Run.State.ERROR)
    assert (await Run.objects.aget(pk=run.pk)).problem["slug"] == "engine-ended"  # type: ignore[index]
