"""Time limits follow RFC 5321 section 4.5.3.2 and hold to the second (U2)."""

import asyncio

import pytest
from tests.net.sessions import Text, envelope

from postroom.net.session import Deadlines, Recorder, open_session
from postroom.terms.outcome import Outcome
from postroom.terms.server import Security, ServerSettings


class FastForward(asyncio.SelectorEventLoop):
    """An event loop whose clock can be moved."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


@pytest.mark.parametrize(("waited_s", "outcome"), [(599.0, Outcome.SENT), (601.0, Outcome.UNCERTAIN)])
def test_u2_ten_minutes_after_the_final_dot_the_outcome_is_uncertain(waited_s: float, outcome: Outcome) -> None:
    loop = FastForward()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (b"220 mx", b"250 mx", b"250 ok", b"250 ok", b"354 go"):
            writer.write(reply + b"\r\n")
            await reader.readline()
        await reader.readuntil(b"\r\n.\r\n")
        loop.ahead_s += waited_s
        await asyncio.sleep(0.05)
        writer.write(b"250 taken\r\n")
        await reader.read()
        writer.close()

    async def talk() -> Outcome:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        session = await open_session(
            ServerSettings(host="127.0.0.1", port=port, security=Security.NONE), None, Recorder(), Deadlines(),
            default_ehlo_name="client.example", allowed=lambda _: True,
        )
        (result,) = await session.transact(envelope(), Text())
        await session.close()
        server.close()
        return result.outcome

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(talk()) is outcome


def test_u2_the_usual_time_limits_are_those_of_the_rfc() -> None:
    usual = Deadlines()
    assert (usual.greeting_s, usual.command_s, usual.data_s) == (300, 300, 120)
    assert (usual.block_s, usual.final_dot_s, usual.total_s) == (180, 600, None)


def test_a_test_answers_a_waiting_person_within_its_time() -> None:
    short = Deadlines.for_test(5.0)
    assert short.total_s == 5.0
    assert max(short.connect_s, short.greeting_s, short.command_s, short.final_dot_s, short.tls_s) <= 5.0
    assert (Deadlines.for_test().connect_s, Deadlines.for_test().greeting_s) == (10.0, 10.0)
