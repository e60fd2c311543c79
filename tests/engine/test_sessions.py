"""Sessions that wait for the next message."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from postroom.engine import sessions
from postroom.engine.sessions import Sessions
from postroom.flow.delivery.deliver import Courier, OpenSession, Outgoing

IDLE_S = 0.3


class Line:
    """The far end of a session."""

    is_usable = True

    def __init__(self) -> None:
        self.is_closed = False

    async def close(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def short_idleness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "IDLE_S", IDLE_S)


def parked() -> tuple[Sessions, OpenSession, Line]:
    line, kept = Line(), Sessions(cast(Courier, None))
    session = OpenSession(cast(Any, line), (), "key")
    kept.park(session)
    return kept, session, line


SERVER = cast(Outgoing, SimpleNamespace(key="key"))


async def test_a_session_that_waits_for_too_long_ends() -> None:
    _, _, line = parked()
    await asyncio.sleep(IDLE_S * 2)
    assert line.is_closed


async def test_a_session_that_was_used_meanwhile_waits_its_full_time_again() -> None:
    kept, session, line = parked()
    await asyncio.sleep(IDLE_S * 0.7)
    assert kept.idle(SERVER) is session
    kept.park(session)
    await asyncio.sleep(IDLE_S * 0.7)
    assert not line.is_closed
    assert kept.idle(SERVER) is session
    await asyncio.sleep(IDLE_S * 2)
    assert not line.is_closed, "in use"
