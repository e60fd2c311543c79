"""The engine looks into the mailbox for bounces, and does not wait for it when it has to end."""

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime

import pytest
from django.db import OperationalError

from postroom.engine import bounce_mailbox
from postroom.engine.bounce_mailbox import BounceMailboxReader
from postroom.store.turn import OnlyTurn

pytestmark = pytest.mark.django_db(transaction=True)


class Nobody(OnlyTurn):
    is_mine = False


def looking(monkeypatch: pytest.MonkeyPatch, look: Callable[[datetime], int]) -> None:
    monkeypatch.setattr(bounce_mailbox, "is_look_due", lambda _now, _pause_s: True)
    monkeypatch.setattr(bounce_mailbox, "look", look)
    monkeypatch.setattr(bounce_mailbox, "ASK_S", 0.01)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


async def test_d12_a_mail_server_that_does_not_answer_keeps_the_engine_from_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[threading.Thread] = []
    never = threading.Event()

    def look(_: datetime) -> int:
        threads.append(threading.current_thread())
        never.wait(60)
        return 0

    looking(monkeypatch, look)
    reader = BounceMailboxReader(OnlyTurn())
    await until(lambda: bool(threads))
    await reader.stop()
    assert threads[0].is_alive()
    assert threads[0].daemon
    never.set()


async def test_a_look_that_the_database_refuses_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def look(_: datetime) -> int:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise OperationalError("database is locked")
        return 0

    looking(monkeypatch, look)
    reader = BounceMailboxReader(OnlyTurn())
    await until(lambda: looks > 2)
    await reader.stop()


async def test_of_several_engines_only_the_one_whose_turn_it_is_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[datetime] = []
    looking(monkeypatch, lambda now: looks.append(now) or 0)
    reader = BounceMailboxReader(Nobody())
    await asyncio.sleep(0.2)
    await reader.stop()
    assert looks == []
