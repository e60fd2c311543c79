"""Round trips of a warm connection, counted in turns: how often the server speaks after it has heard something."""

import asyncio

import pytest
from tests.net.runs import Load, shipments
from tests.net.sessions import opened

from postroom.net.session import Recorder
from postroom.policy.manners import Breach, Manners

COUNT = 40
# One for the session's first envelope, one to learn whether a server that offers CHUNKING knows it.
MOST = 1.1 * COUNT


class TurnCounter(asyncio.Protocol):
    """Takes everything, and answers all that it heard at once; `turns` counts the answers."""

    def __init__(self, offers: tuple[str, ...]) -> None:
        self._offers = offers
        self._rest = b""
        self._left = 0
        self._in_content = False
        self.turns = self.taken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 mx\r\n")

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if answer := b"".join(self._answers()):
            self.turns += 1
            self._transport.write(answer)

    def _answers(self) -> list[bytes]:
        answers = []
        while (answer := self._answer()) is not None:
            answers.append(answer)
        return answers

    def _answer(self) -> bytes | None:
        if self._left:
            taken = min(self._left, len(self._rest))
            self._rest, self._left = self._rest[taken:], self._left - taken
            if self._left:
                return None
            self.taken += self._is_last
            return b"250 taken\r\n"
        end = self._rest.find(b"\r\n.\r\n" if self._in_content else b"\r\n")
        if end < 0:
            return None
        line, self._rest = self._rest[:end], self._rest[end + (5 if self._in_content else 2):]
        if self._in_content:
            self._in_content, self.taken = False, self.taken + 1
            return b"250 taken\r\n"
        return self._said(line)

    def _said(self, line: bytes) -> bytes | None:
        if line.startswith(b"EHLO"):
            return b"".join(b"250-%s\r\n" % offer.encode() for offer in ("mx", *self._offers)) + b"250 HELP\r\n"
        if line.startswith(b"BDAT"):
            self._left, self._is_last = int(line.split()[1]), line.endswith(b"LAST")
            return self._answer()
        self._in_content = line == b"DATA"
        return b"354 go\r\n" if self._in_content else b"250 ok\r\n"


async def turns(offers: tuple[str, ...], manners: Manners | None = None) -> float:
    counter = TurnCounter(offers)
    server = await asyncio.get_running_loop().create_server(lambda: counter, "127.0.0.1", 0)
    session = await opened(server.sockets[0].getsockname()[1], Recorder())
    before = counter.turns
    load = Load(shipments(COUNT), manners)
    await load.over(session)
    counted = counter.turns - before
    await session.close()
    server.close()
    assert load.outcomes() == ["sent"] * COUNT
    assert counter.taken == COUNT
    return counted


@pytest.mark.parametrize("offers", [("PIPELINING",), ("PIPELINING", "CHUNKING"), ("PIPELINING", "8BITMIME")])
async def test_a_message_costs_one_round_trip_where_the_server_offers_pipelining(offers: tuple[str, ...]) -> None:
    assert await turns(offers) <= MOST


async def test_a_message_costs_two_round_trips_where_only_an_envelope_may_leave_together() -> None:
    manners = Manners()
    manners.broke(manners.pipelining, Breach.REFUSED, "test")
    assert await turns(("PIPELINING",), manners) <= 2 * MOST


async def test_a_server_without_pipelining_gets_one_command_after_the_other() -> None:
    assert await turns(()) == 4 * COUNT
