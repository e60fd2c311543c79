"""Sessions beyond single dialogs: reuse, deadlines, our own faults, other event loops."""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
import uvloop
from tests.dialogs.player import dialog, dialog_of, playing
from tests.net.sessions import Text, envelope, opened

from postroom.net import connection
from postroom.net.dial import dial
from postroom.net.session import Deadlines, Recorder, SessionFailed, open_session
from postroom.smtp.trace import ContentSent, Event, StageEnded, StageStarted
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.server import Security, ServerSettings

OPENING = "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 PIPELINING\n"
TRANSACTION = "C: MAIL *\nC: RCPT *\nC: DATA\nS> 250 ok\\r\\n250 ok\\r\\n354 go\\r\\n\nC.\nS: 250 queued\n"
ENDING = "C: QUIT\nS: 221 bye"


async def test_a_session_carries_one_message_after_another() -> None:
    async with playing(dialog_of("three", OPENING + TRANSACTION * 3 + ENDING)) as server:
        session = await opened(server.port, Recorder())
        for _ in range(3):
            assert session.is_usable
            assert (await session.transact(envelope(), Text()))[0].outcome is Outcome.SENT
        await session.close()
    assert not session.is_usable
    assert server.contents == [b"Subject: test\r\n\r\n..hello\r\n.\r\n"] * 3
    assert server.connections == 1


async def test_a_closed_session_defers_and_says_so() -> None:
    async with playing(dialog_of("one", OPENING + ENDING)) as server:
        session = await opened(server.port, Recorder())
        await session.close()
        (result,) = await session.transact(envelope(), Text())
    assert (result.outcome, result.stage, result.reason) == (Outcome.DEFERRED, Stage.SENDER, "connection closed")


async def test_the_deadline_of_the_whole_session_holds_over_every_other() -> None:
    began = time.monotonic()
    short = Deadlines.for_test(1.5)
    async with playing(dialog_of("slow", "S: 220 mx\nC: EHLO *\npause 0.5\nS: 250 mx\nC: MAIL *\nsilence")) as server:
        recorder = Recorder()
        settings = ServerSettings(host="127.0.0.1", port=server.port, security=Security.NONE)
        session = await open_session(
            settings, None, recorder, short, default_ehlo_name="client.example", allowed=lambda _: True
        )
        (result,) = await session.transact(envelope(), Text())
    assert result.outcome is Outcome.DEFERRED
    assert result.reason.startswith("no reply within")
    assert 1.4 < time.monotonic() - began < 3.0


async def test_p3_an_envelope_that_cannot_be_said_leaves_nothing_on_the_wire() -> None:
    async with playing(dialog_of("one", OPENING + ENDING)) as server:
        session = await opened(server.port, Recorder())
        with pytest.raises(ValueError, match="address"):
            await session.transact(envelope().__class__("a@b\r\nRSET", ("c@d.example",), 1), Text())
        assert session.is_usable
        await session.close()
    assert [line.split()[0] for line in server.lines] == ["EHLO", "QUIT"]


async def test_p3_an_ehlo_name_that_is_none_is_refused_before_dialing() -> None:
    async with playing(dialog("good")) as server:
        with pytest.raises(ValueError, match="EHLO name"):
            await opened(server.port, Recorder(), ehlo_name="a\r\nb")
    assert server.connections == 0


class Torn:
    """Content that turns out to be damaged half way."""

    size_bytes = 2_000_000

    def chunks(self) -> Iterator[bytes]:
        yield b"x" * 70 + b"\r\n"
        raise OSError("damaged")


async def test_d10_torn_content_never_gets_a_final_dot() -> None:
    taking = OPENING + "C: MAIL *\nC: RCPT *\nC: DATA\nS> 250 ok\\r\\n250 ok\\r\\n354 go\\r\\n\nsilence"
    async with playing(dialog_of("torn", taking)) as server:
        session = await opened(server.port, Recorder())
        with pytest.raises(OSError, match="damaged"):
            await session.transact(envelope(), Torn())
        assert not session.is_usable
        await asyncio.sleep(0.1)
    assert "." not in server.lines


async def test_a_cancelled_transaction_never_gets_a_final_dot() -> None:
    async with playing(dialog("content-not-taken")) as server:
        session = await opened(server.port, Recorder())
        content = Text(b"x" * 98 + b"\r\n", 300_000)
        task = asyncio.create_task(session.transact(envelope(1, content.size_bytes), content))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not session.is_usable


async def test_u10_the_mark_is_set_before_the_final_dot_leaves() -> None:
    order: list[str] = []

    async def mark() -> None:
        order.append("mark")

    def noted(event: Event) -> None:
        if isinstance(event, ContentSent):
            order.append("dot")

    async with playing(dialog_of("one", OPENING + TRANSACTION + ENDING)) as server:
        session = await opened(server.port, Recorder(noted))
        await session.transact(envelope(), Text(), before_final_dot=mark)
        await session.close()
    assert order == ["mark", "dot"]


async def test_stages_begin_and_end_in_order() -> None:
    recorder = Recorder()
    async with playing(dialog_of("one", OPENING + TRANSACTION + ENDING)) as server:
        session = await opened(server.port, recorder)
        await session.transact(envelope(), Text())
        await session.close()
    told = [(e.stage, type(e) is StageEnded) for e in recorder.trace.events if isinstance(e, StageStarted | StageEnded)]
    stages = [Stage.RESOLVE, Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.SENDER, Stage.RECIPIENT, Stage.MESSAGE]
    assert told == [(stage, ended) for stage in stages for ended in (False, True)]
    assert all(event.passed for event in recorder.trace.events if isinstance(event, StageEnded))


async def test_a_failed_stage_is_the_last_one() -> None:
    recorder = Recorder()
    async with playing(dialog("pipelined-all-refused")) as server:
        session = await opened(server.port, recorder)
        await session.transact(envelope(2), Text())
        await session.close()
    ended = [(event.stage, event.passed) for event in recorder.trace.events if isinstance(event, StageEnded)]
    assert ended[-2:] == [(Stage.SENDER, True), (Stage.RECIPIENT, False)]


async def test_b4_the_loop_stays_free_while_content_leaves() -> None:
    played = dialog_of("big", OPENING + TRANSACTION + ENDING)
    content = Text(b"x" * 98 + b"\r\n", 200_000)
    delays: list[float] = []

    async def watch() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.005)
            delays.append(time.monotonic() - began - 0.005)

    async with playing(played, limit=1 << 25) as server:
        session = await opened(server.port, Recorder())
        watcher = asyncio.create_task(watch())
        (result,) = await session.transact(envelope(1, content.size_bytes), Text(content.octets * 200_000))
        watcher.cancel()
        await session.close()
    assert result.outcome is Outcome.SENT
    assert sorted(delays)[len(delays) // 2] < 0.05


def test_uvloop_carries_the_same_session() -> None:
    async def talk() -> Outcome:
        async with playing(dialog("good")) as server:
            session = await opened(server.port, Recorder())
            (result,) = await session.transact(envelope(), Text())
            await session.close()
            return result.outcome

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(talk()) is Outcome.SENT


def test_uvloop_keeps_the_words_of_a_server_that_resets() -> None:
    async def talk() -> str:
        async with playing(dialog_of("bye", "S: 554 5.7.1 not you\nreset")) as server:
            with pytest.raises(SessionFailed) as failed:
                await opened(server.port, Recorder())
            return str(failed.value.reply)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(talk()) == "554 5.7.1 not you"


async def test_b14_a_peer_that_never_reads_keeps_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LINGER_S", 0.2)
    async with playing(dialog_of("deaf", "S: 220 mx\ndeaf")) as server:
        made = await dial(["127.0.0.1"], server.port, Recorder(), timeout_s=5.0, allowed=lambda _: True)
        assert made is not None
        made[0].send(b"x" * 50_000_000, 0)
        sock = made[0]._sock
        made[0].close()
        assert sock.fileno() >= 0
        await asyncio.sleep(0.4)
        assert sock.fileno() < 0


class Slow:
    """Content whose reading holds up the event loop, as a slow disk does, until `happened`."""

    octets = (b"x" * 98 + b"\r\n") * 200
    size_bytes = 120_000

    def __init__(self, happened: threading.Event) -> None:
        self._happened = happened

    def chunks(self) -> Iterator[bytes]:
        for number in range(6):
            if number == 2:
                assert self._happened.wait(5.0)
                time.sleep(0.05)
            yield self.octets


async def test_a_refusal_is_found_although_our_write_meets_the_closed_connection_first() -> None:
    happened = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer, peer.makefile("rb") as lines:
            for reply in (b"220 mx", b"250 mx", b"250 ok", b"250 ok", b"354 go"):
                peer.sendall(reply + b"\r\n")
                lines.readline()
            peer.sendall(b"552 5.3.4 too much\r\n")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        happened.set()

    thread = threading.Thread(target=serve)
    thread.start()
    session = await opened(listener.getsockname()[1], Recorder())
    (result,) = await session.transact(envelope(), Slow(happened))
    thread.join()
    listener.close()
    assert (result.outcome, str(result.reply)) == (Outcome.FAILED, "552 5.3.4 too much")
