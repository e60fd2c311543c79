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
        self.answers_quit = asyncio.Event()
        self.answers_quit.set()

    async def close(self) -> None:
        await self.answers_quit.wait()
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


async def test_no_connection_begins_before_one_that_says_good_bye_has_ended_where_more_are_not_allowed() -> None:
    class Dialing:
        async def opened(self, _: Outgoing) -> OpenSession:
            return OpenSession(cast(Any, Line()), (), "key")

    kept = Sessions(cast(Courier, Dialing()))
    first = await kept.opened(SERVER, 1)
    line = cast(Line, first.session)
    line.answers_quit.clear()
    ending = asyncio.create_task(kept.end(first))
    await asyncio.sleep(0)
    assert kept.count == 0, "one that ends carries nothing any more"
    second = asyncio.create_task(kept.opened(SERVER, 1))
    await asyncio.sleep(0.05)
    assert not second.done()
    line.answers_quit.set()
    await asyncio.wait_for(asyncio.gather(second, ending), 1)
