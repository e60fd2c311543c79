"""Whatever a server answers, in whatever pieces, wherever it hangs up: each message has one end, and the right one."""

import asyncio
import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.net.runs import Load, shipments
from tests.net.sessions import opened

from postroom.net.session import Recorder, SessionFailed
from postroom.policy.manners import Manners, Pipelining

COUNT, SESSIONS = 6, 12
YES = ("250 ok", "250 2.0.0 ok")
NO = ("450 4.2.0 later", "550 5.1.1 no", "452 4.3.1 full", "554 5.7.1 never")


@dataclass
class World:
    """What the server does, drawn from one seed, and what it remembers of it: for each message the last answer to its
    content, if it gave one that left. One that `nests` keeps a transaction open whose content it refused."""

    seed: int
    hangs_up: float
    refuses: float
    chunking: bool
    nests: bool = False
    chance: random.Random = field(init=False)
    said: dict[int, list[str]] = field(default_factory=dict)
    taken: list[int] = field(default_factory=list)
    empty: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, EOFError):
            return
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._say(writer, "220 mx")
        sender = recipients = False
        first = b""
        while True:
            line = (await reader.readuntil(b"\r\n")).decode()
            verb = line.split()[0]
            if verb == "EHLO":
                offers = "250-CHUNKING\r\n" if self.chunking else ""
                await self._say(writer, f"250-mx\r\n{offers}250 PIPELINING")
            elif verb == "QUIT":
                return await self._say(writer, "221 bye")
            elif verb == "RSET":
                sender = recipients = False
                await self._say(writer, "250 ok")
            elif verb == "MAIL" and sender and self.nests:
                await self._say(writer, "503 5.5.1 nested MAIL command")
            elif verb == "MAIL":
                sender, recipients = await self._decided(writer), False
            elif verb == "RCPT":
                if sender:
                    recipients = await self._decided(writer) or recipients
                else:
                    await self._say(writer, "503 MAIL first")
            elif verb == "DATA":
                if not recipients:
                    await self._say(writer, "503 RCPT first")
                elif await self._decided(writer, "354 go"):
                    sender = recipients = not await self._take(writer, await reader.readuntil(b".\r\n")) and self.nests
            else:
                size_bytes, is_last = int(line.split()[1]), line.rstrip().endswith("LAST")
                chunk = await reader.readexactly(size_bytes)
                if not is_last:
                    await self._say(writer, "250 chunk")
                    first = chunk
                elif recipients:
                    sender = recipients = not await self._take(writer, first + chunk) and self.nests
                    first = b""
                else:
                    await self._say(writer, "554 no recipients")

    async def _take(self, writer: asyncio.StreamWriter, content: bytes) -> bool:
        if content == b".\r\n":
            self.empty += 1
            await self._say(writer, "250 2.0.0 taken")
            return True
        number = int(content.split(b"Subject: ")[1].split(b"\r\n")[0])
        answer = self._answer("250 2.0.0 taken")
        if answer.startswith("2"):
            self.taken.append(number)
        self.said.setdefault(number, []).append(answer)
        await self._say(writer, answer)
        return answer.startswith("2")

    async def _decided(self, writer: asyncio.StreamWriter, yes: str = "250 ok") -> bool:
        answer = self._answer(yes)
        await self._say(writer, answer)
        return answer[0] in "23"

    def _answer(self, yes: str) -> str:
        return self.chance.choice(NO) if self.chance.random() < self.refuses else yes

    async def _say(self, writer: asyncio.StreamWriter, text: str) -> None:
        octets = text.encode() + b"\r\n"
        if self.chance.random() < self.hangs_up:
            writer.write(octets[: self.chance.randrange(len(octets))])
            raise EOFError
        cut = self.chance.randrange(len(octets))
        writer.write(octets[:cut])
        if self.chance.random() < 0.3:
            await asyncio.sleep(0)
        writer.write(octets[cut:])


async def carried(world: World, load: Load) -> None:
    server = await asyncio.start_server(world.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for _ in range(SESSIONS):
        if not load.waiting:
            break
        try:
            session = await opened(port, Recorder())
        except SessionFailed:
            continue
        await load.over(session)
        await session.close()
    server.close()


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32), hangs_up=st.sampled_from([0.0, 0.02, 0.1]), refuses=st.sampled_from([0.0, 0.2, 0.6]),
    chunking=st.booleans(), nests=st.booleans(), is_proven=st.booleans(),
)
def test_u1_u6_every_message_has_one_end_and_it_is_the_one_that_the_server_gave_it(
    seed: int, hangs_up: float, refuses: float, chunking: bool, nests: bool, is_proven: bool
) -> None:
    world, manners = World(seed, hangs_up, refuses, chunking, nests), Manners()
    if is_proven:
        manners.kept(Pipelining.MESSAGES)
        manners.kept(Pipelining.ENVELOPE)
        manners.chunking_proven = True
    load = Load(shipments(COUNT), manners)
    asyncio.run(carried(world, load))
    ended, waiting = set(load.results), {load.shipments.index(shipment) for shipment in load.waiting}
    assert ended | waiting == set(range(COUNT))
    assert not ended & waiting
    for number, (result,) in load.results.items():
        outcome, answers = str(result.outcome), world.said.get(number, [])
        if outcome == "sent":
            assert answers == ["250 2.0.0 taken"]
        elif outcome == "uncertain":
            assert result.reply is None
        else:
            assert number not in world.taken, "what the server took is never tried again as if it had not"
            assert result.reply is None or result.reply.code != 503, "nobody fails for the message before"
    assert all(world.taken.count(number) == 1 for number in world.taken), "nothing that waits again was taken before"
    assert not world.empty, "no mail leaves that nobody wrote"
    assert manners.bears_all or hangs_up, "a refused content is no sign of bad manners"
