"""The engine tries report sources that somebody asked about, each once, and one slow source holds up no other."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils import timezone

from postroom.engine import source_tries
from postroom.engine.source_tries import SourceTries
from postroom.flow.reports import try_source
from postroom.flow.reports.try_source import KEPT, STARTS, ask_try, claim_try, requeue_abandoned_tries
from postroom.policy.report_roots import ReportRoots
from postroom.store.models import ReportSource, SourceTry
from postroom.store.turn import OnlyTurn

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "REPORT_ROOTS", ReportRoots((("reports", str(tmp_path)),)))
    monkeypatch.setattr(source_tries, "LOOK_S", 0.02)
    return tmp_path


@asynccontextmanager
async def trying() -> AsyncIterator[SourceTries]:
    """The worker at work on the test database."""
    tries = SourceTries(OnlyTurn())
    try:
        yield tries
    finally:
        await tries.stop()


async def finished(row: SourceTry, within_s: float = 10.0) -> SourceTry:
    async with asyncio.timeout(within_s):
        while True:
            now = await SourceTry.objects.select_related("report").aget(pk=row.pk)
            if now.finished_at is not None:
                return now
            await asyncio.sleep(0.02)


async def asked(name: str, pattern: str) -> SourceTry:
    source = await ReportSource.objects.acreate(
        name=name, kind=ReportSource.Kind.FILE, settings={"root": "reports", "pattern": pattern}
    )
    return await sync_to_async(ask_try)("marta@norrvik.example", source=source)


async def test_what_is_asked_is_fetched_and_nothing_is_sent(folder: Path) -> None:
    (folder / "a.csv").write_text("Region\r\nNorth\r\n")
    async with trying():
        good, bad = await finished(await asked("A", "a.csv")), await finished(await asked("B", "b.csv"))
    assert good.report is not None
    assert (good.report.row_count, good.fault) == (1, None)
    assert (bad.report, bad.fault and bad.fault["kind"]) == (None, "missing")


async def test_s7_a_slow_source_holds_up_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.csv").write_text("Region\r\n")
    released, real = threading.Event(), try_source.fetched

    def slow(source: ReportSource, *rest: Any) -> Any:
        if source.name == "Slow":
            released.wait(10)
        return real(source, *rest)

    monkeypatch.setattr(try_source, "fetched", slow)
    async with trying():
        waiting = await asked("Slow", "a.csv")
        assert (await finished(await asked("Quick", "a.csv"))).fault is None
        assert (await SourceTry.objects.aget(pk=waiting.pk)).finished_at is None
        released.set()
        await finished(waiting)


async def test_a_fault_of_our_own_ends_the_try_and_not_the_engine(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.csv").write_text("Region\r\n")
    real = try_source.fetched

    def broken(source: ReportSource, *rest: Any) -> Any:
        if source.name == "Broken":
            raise RuntimeError("a defect")
        return real(source, *rest)

    monkeypatch.setattr(try_source, "fetched", broken)
    async with trying():
        told = await finished(await asked("Broken", "a.csv"))
        assert told.fault
        assert "a defect" not in str(told.fault)
        assert (await finished(await asked("Good", "a.csv"))).fault is None


async def test_what_a_killed_engine_had_begun_is_begun_again_and_old_tries_go(folder: Path) -> None:
    (folder / "a.csv").write_text("Region\r\n")
    left, old = await asked("Left", "a.csv"), await asked("Old", "a.csv")
    await SourceTry.objects.filter(pk=left.pk).aupdate(started_at=timezone.now())
    await SourceTry.objects.filter(pk=old.pk).aupdate(created_at=timezone.now() - 2 * KEPT)
    async with trying():
        assert (await finished(left)).fault is None
    assert not await SourceTry.objects.filter(pk=old.pk).aexists()


async def test_a_try_that_ends_its_engine_again_and_again_is_given_up_and_says_so(folder: Path) -> None:
    (folder / "a.csv").write_text("Region\r\nNorth\r\n")
    row = await asked("Heavy", "a.csv")
    for _ in range(STARTS):
        assert await sync_to_async(requeue_abandoned_tries)() <= 1
        assert await sync_to_async(claim_try)() is not None  # and the engine ends
    async with trying():
        told = await finished(row)
    assert (told.report, told.starts) == (None, STARTS)
    assert told.fault
    assert told.fault["text"] == "The engine ended 2 times while it tried this. See its log."


async def test_a_try_that_an_engine_gives_back_when_it_is_stopped_does_not_count(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.csv").write_text("Region\r\n")
    begun, released, real = threading.Event(), threading.Event(), try_source.fetched

    def slow(*given: Any) -> Any:
        begun.set()
        released.wait(10)
        return real(*given)

    monkeypatch.setattr(try_source, "fetched", slow)
    row = await asked("Slow", "a.csv")
    async with trying():
        assert await asyncio.to_thread(begun.wait, 10)
    left = await SourceTry.objects.aget(pk=row.pk)
    released.set()
    assert (left.starts, left.started_at) == (0, None)
