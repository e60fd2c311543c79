"""The engine begins runs when they are due, and looks again at what comes next when its clock goes back."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from postroom.engine import scheduler
from postroom.engine.scheduler import Scheduler
from postroom.store.models import ReportSource, Run, Subscription
from postroom.store.turn import OnlyTurn

pytestmark = pytest.mark.django_db(transaction=True)
EIGHT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


class Nobody(OnlyTurn):
    is_mine = False


class Clock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def subscription(monkeypatch: pytest.MonkeyPatch) -> Subscription:
    monkeypatch.setattr(scheduler, "LOOK_S", 0.01)
    source = ReportSource.objects.create(name="Pushed", kind="pushed")
    schedule = {"words": "every day at 08:00", "time_zone": "UTC"}
    return Subscription.objects.create(name="Daily", list_name="daily", source=source, schedule=schedule, next_at=EIGHT)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if await sync_to_async(condition)():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


def next_at() -> datetime | None:
    return Subscription.objects.get().next_at


async def test_s3_what_is_due_is_begun_once_and_the_clock_may_go_back(subscription: Subscription) -> None:
    clock = Clock(EIGHT + timedelta(seconds=1))
    working = Scheduler(OnlyTurn(), clock)
    await until(lambda: subscription.runs.count() == 1)
    clock.at = EIGHT + timedelta(days=3_653)
    await until(lambda: subscription.runs.count() == 2)
    clock.at = EIGHT - timedelta(hours=1)
    await until(lambda: next_at() == EIGHT)
    clock.at = EIGHT + timedelta(seconds=2)
    await until(lambda: next_at() == EIGHT + timedelta(days=1))
    await working.stop()
    assert await sync_to_async(subscription.runs.filter(nominal_at=EIGHT).count)() == 1


async def test_an_engine_whose_turn_it_is_not_begins_nothing(subscription: Subscription) -> None:
    working = Scheduler(Nobody(), Clock(EIGHT + timedelta(days=1)))
    await asyncio.sleep(0.2)
    await working.stop()
    assert not await sync_to_async(subscription.runs.exists)()


async def test_a_database_that_does_not_answer_is_asked_again(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([OperationalError("database is locked")] * 3)
    real = scheduler.begin_due_runs

    def begin(now: datetime) -> int:
        if (error := next(answers, None)) is not None:
            raise error
        return real(now)

    monkeypatch.setattr(scheduler, "begin_due_runs", begin)
    working = Scheduler(OnlyTurn(), Clock(EIGHT))
    await until(lambda: Run.objects.filter(subscription=subscription).exists())
    await working.stop()
