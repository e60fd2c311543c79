"""Whatever a look comes to, the next one follows; what fails is logged and shown, and never silent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.utils import timezone
from structlog.testing import capture_logs

from postroom.flow.alerts.alerts import look_around
from postroom.flow.alerts.doctor import examined
from postroom.flow.instance import looker
from postroom.flow.instance.looker import Interval, Looker
from postroom.store.looker_faults import LookerFault, looker_faults, store_fault
from postroom.store.models import Alert
from postroom.store.turn import OnlyTurn, Turn

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AFTER_FAULT_S", "STORAGE_PAUSE_S"):
        monkeypatch.setattr(looker, name, 0.01)


class Looks:
    """Raises each of these in turn, then looks well; `cancelled` is what it awaits being cancelled by another."""

    def __init__(self, *faults: BaseException) -> None:
        self.faults, self.number = list(faults), 0

    async def __call__(self) -> None:
        self.number += 1
        if self.faults:
            raise self.faults.pop(0)


@asynccontextmanager
async def looking(
    look: Callable[[], Awaitable[bool | None]], every_s: float | None = 0.01, turn: Turn | None = None
) -> AsyncIterator[Looker]:
    working = Looker("scheduler", look, every_s=every_s, turn=turn)
    try:
        yield working
    finally:
        await working.stop()


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.01)


faults = sync_to_async(looker_faults)


@pytest.mark.parametrize("fault", [
    RuntimeError("a fault of our own"), OperationalError("database is locked"), OSError("no space left"),
    asyncio.CancelledError("something it waited for"), RecursionError("too deep"), MemoryError(),
])
async def test_no_fault_of_a_look_is_the_last_or_goes_unsaid(fault: BaseException) -> None:
    looks = Looks(fault, fault)
    with capture_logs() as logs:
        async with looking(looks):
            await until(lambda: looks.number >= 4)
    said = [entry for entry in logs if entry["log_level"] == "error" and entry.get("looker") == "scheduler"]
    assert len(said) == 2
    assert await faults() == []


async def test_what_lasts_is_noted_once_with_its_beginning_and_forgotten_after_a_look_that_goes_well() -> None:
    looks = Looks(*[RuntimeError("the same")] * 5)
    held = asyncio.Event()

    async def look() -> None:
        if not looks.faults:
            await held.wait()
        await looks()

    async with looking(look):
        await until(lambda: looks.number == 5)
        (fault,) = await faults()
        assert (fault.name, fault.text) == ("scheduler", "RuntimeError: the same")
        assert timedelta(0) <= timezone.now() - fault.since < timedelta(minutes=1)
        held.set()
        await until(lambda: looks.number == 6)
        await until(_none)


async def _none() -> bool:
    return await faults() == []


async def test_what_another_engine_noted_while_it_had_the_turn_is_forgotten_by_the_next_good_look_of_this_one() -> None:
    looks, turn = Looks(), OnlyTurn()
    async with looking(looks, turn=turn):
        await until(lambda: looks.number >= 2)
        turn.is_mine = False
        await asyncio.sleep(0.05)
        await sync_to_async(store_fault)("scheduler", timezone.now(), "OSError: the disk of the other machine")
        await asyncio.sleep(0.05)
        assert len(await faults()) == 1
        turn.is_mine = True
        await until(_none)


async def test_a_look_that_does_not_come_back_is_noted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looker, "OVERDUE_S", 0.05)

    async def hanging() -> None:
        await asyncio.sleep(3_600)

    async def noted() -> bool:
        return any("has not come back" in fault.text for fault in await faults())

    async with looking(hanging):
        await until(noted)


async def test_what_cannot_be_noted_does_not_end_the_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(looker, "store_fault", broken)
    looks = Looks(RuntimeError("a fault of our own"))
    async with looking(looks):
        await until(lambda: looks.number >= 3)


async def test_after_a_fault_and_while_it_is_anothers_turn_what_was_known_is_doubted() -> None:
    class Changing(OnlyTurn):
        is_mine = True

    turn, doubts = Changing(), 0

    def doubt() -> None:
        nonlocal doubts
        doubts += 1

    looks = Looks(RuntimeError("a fault of our own"))
    working = Looker("scheduler", looks, every_s=0.01, turn=turn, unsure=doubt)
    await until(lambda: looks.number >= 2)
    assert doubts == 1
    turn.is_mine = False
    await until(lambda: doubts > 2)
    number = looks.number
    await asyncio.sleep(0.05)
    assert looks.number == number
    await working.stop()


async def test_a_look_that_waits_for_nudges_looks_again_by_itself_after_a_fault_only() -> None:
    looks = Looks(OperationalError("database is locked"))
    async with looking(looks, every_s=None) as working:
        await asyncio.sleep(0.05)
        assert looks.number == 0
        working.nudge()
        await until(lambda: looks.number == 2)
        await asyncio.sleep(0.05)
        assert looks.number == 2


async def test_one_that_has_more_to_do_looks_again_at_once() -> None:
    number = 0

    async def look() -> bool:
        nonlocal number
        number += 1
        return number < 5

    async with looking(look, every_s=3_600):
        await until(lambda: number == 5)


async def test_an_end_lets_the_look_under_way_come_to_its_end() -> None:
    begun, ended = asyncio.Event(), False

    async def look() -> None:
        nonlocal ended
        begun.set()
        await asyncio.sleep(0.05)
        ended = True

    working = Looker("scheduler", look, every_s=3_600)
    await begun.wait()
    await working.end()
    assert ended


def test_the_doctor_and_the_pages_say_what_stands_still() -> None:
    now = timezone.now()
    store_fault("webhooks", now - timedelta(minutes=10), "OSError: no space left")
    store_fault("runs", now - timedelta(seconds=30), "OSError: a moment")
    (complaint,) = [one for one in examined(now) if one.kind == "work-standing"]
    assert complaint.severity == "critical"
    assert (complaint.key, complaint.evidence) == ("webhooks", "OSError: no space left")
    assert "Calling webhooks" in complaint.title
    look_around(now, for_web=True)  # the process of the pages looks: what looks in the engine may be what stands still
    assert [row.key for row in Alert.objects.filter(kind="work-standing")] == ["webhooks"]


def test_what_somebody_damaged_is_no_fault() -> None:
    store_fault("webhooks", timezone.now(), "x")
    from postroom.store.models import InstanceValue

    InstanceValue.objects.filter(name="looker_fault:webhooks").update(value={"since": "soon"})
    assert looker_faults() == []
    store_fault("runs", now := timezone.now(), "y")
    assert looker_faults() == [LookerFault("runs", now, "y")]


async def test_an_interval_is_over_at_first_and_then_after_its_time() -> None:
    interval = Interval(0.05)
    assert interval.is_over()
    assert not interval.is_over()
    await asyncio.sleep(0.06)
    assert interval.is_over()
