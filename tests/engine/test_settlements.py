"""What transactions came to is settled once, in its order."""

import asyncio
from types import SimpleNamespace
from typing import Any

from postroom.engine.settlements import AT_ONCE, Settlements


class Settling:
    """A courier that only settles."""

    def __init__(self) -> None:
        self.settled: list[tuple[object, list[Any]]] = []

    async def settle(self, server: object, batch: list[Any], _standings: object) -> None:
        await asyncio.sleep(0)
        self.settled.append((server, batch))


async def test_each_is_settled_once_where_the_row_of_the_server_was_read_anew_between_them() -> None:
    courier, told = Settling(), []
    settlements = Settlements(courier, tuple, told.append)  # type: ignore[arg-type]
    before, after = object(), object()
    carried = [SimpleNamespace(group=number) for number in range(5)]
    for server, each in zip((before, after, before, before, after), carried, strict=True):
        settlements.add(server, each)  # type: ignore[arg-type]
    await asyncio.gather(*settlements.tasks)
    assert courier.settled == [
        (before, carried[:1]), (after, carried[1:2]), (before, carried[2:4]), (after, carried[4:])
    ]
    assert told == [0, 1, 2, 3, 4]


class Breaking(Settling):
    """One that can't settle what came to 2, nor anything together with it."""

    async def settle(self, server: object, batch: list[Any], standings: object) -> None:
        if any(carried.group == 2 for carried in batch):
            raise LookupError("no finding for this")
        await super().settle(server, batch, standings)


async def test_d6_what_cannot_be_settled_lets_no_other_known_outcome_be_forgotten() -> None:
    courier, told = Breaking(), []
    settlements = Settlements(courier, tuple, told.append)  # type: ignore[arg-type]
    server = SimpleNamespace(name=SimpleNamespace(name="Relay"))
    carried = [SimpleNamespace(group=number) for number in range(AT_ONCE + 3)]
    for each in carried:
        settlements.add(server, each)  # type: ignore[arg-type]
    await asyncio.gather(*settlements.tasks)
    settled = [each.group for _, batch in courier.settled for each in batch]
    assert settled == [number for number in range(AT_ONCE + 3) if number != 2]
    assert sorted(told) == list(range(AT_ONCE + 3)), "none is held for ever"


async def test_while_commits_follow_each_other_the_next_one_waits_a_moment_for_more() -> None:
    server, carried = object(), [SimpleNamespace(group=number) for number in range(4)]

    class Followed(Settling):
        """While the first is settled the second ends, and the others right afterwards."""

        async def settle(self, server: object, batch: list[Any], standings: object) -> None:
            await super().settle(server, batch, standings)
            if len(self.settled) == 1:
                settlements.add(server, carried[1])  # type: ignore[arg-type]
                for each in carried[2:]:
                    asyncio.get_running_loop().call_soon(settlements.add, server, each)  # type: ignore[arg-type]

    courier = Followed()
    settlements = Settlements(courier, tuple, lambda _: None)  # type: ignore[arg-type]
    settlements.add(server, carried[0])  # type: ignore[arg-type]
    await asyncio.gather(*settlements.tasks)
    assert [batch for _, batch in courier.settled] == [carried[:1], carried[1:]]
