"""What looks beside the deliveries goes on looking, whatever one look comes to."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from postroom.engine import (
    alerts,
    bounce_mailbox,
    communications,
    domain_checks,
    runs,
    scheduler,
    source_tries,
    webhooks,
)
from postroom.store.turn import OnlyTurn

NOBODY = cast(Any, None)


class Changed:
    def has_come(self) -> bool:
        return True


CHANGED, TURN = cast(Any, Changed()), OnlyTurn()
LOOKERS: list[tuple[Any, str, Callable[[], Any]]] = [
    (alerts.Alerts, "_round", lambda: alerts.Alerts(NOBODY, TURN, look_s=0.01)),
    (communications.Communications, "_round", lambda: communications.Communications(NOBODY, TURN, look_s=0.01)),
    (domain_checks.DomainChecks, "_round", lambda: domain_checks.DomainChecks(CHANGED, TURN)),
    (scheduler.Scheduler, "_round", lambda: scheduler.Scheduler(TURN)),
    (source_tries.SourceTries, "_round", lambda: source_tries.SourceTries(TURN)),
    (webhooks.Webhooks, "_round", lambda: webhooks.Webhooks(CHANGED, TURN)),
    (runs.Runs, "_begin", lambda: runs.Runs(NOBODY, CHANGED, is_alone=False)),
]


@pytest.mark.parametrize(("looker", "look", "made"), LOOKERS)
async def test_a_fault_of_our_own_in_one_look_does_not_end_the_looking(
    looker: Any, look: str, made: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0

    async def broken(_self: object) -> None:
        nonlocal looked
        looked += 1
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr(looker, look, broken)
    for module in (domain_checks, runs, scheduler, source_tries, webhooks, communications):
        for name in ("AFTER_FAULT_S", "_AGAIN_S", "LOOK_S", "UNHURRIED_S"):
            monkeypatch.setattr(module, name, 0.01, raising=False)
    working = made()
    for _ in range(500):
        if looked > 1:
            break
        await asyncio.sleep(0.01)
    await working.stop()
    assert looked > 1


async def test_a_look_at_the_mailbox_for_bounces_that_breaks_off_is_not_the_last(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Semaphore(0)

    async def broken() -> None:
        looked.release()
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr(bounce_mailbox, "is_look_due", lambda *_: True)
    monkeypatch.setattr(bounce_mailbox, "_looked", broken)
    monkeypatch.setattr(bounce_mailbox, "LOOK_PAUSE_S", 0.01)
    monkeypatch.setattr(bounce_mailbox, "ASK_S", 0.01)
    reader = bounce_mailbox.BounceMailboxReader(OnlyTurn())
    async with asyncio.timeout(10):
        await looked.acquire()
        await looked.acquire()
    await reader.stop()
