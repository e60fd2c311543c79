"""Every address of a name is tried; each try says what became of it (E1, E2)."""

import errno
import socket
import time
from collections.abc import Iterator

import pytest
from tests.dialogs.player import dialog_of, playing
from tests.net.sessions import opened

from postroom.net import dial as dialing
from postroom.net.dial import dial
from postroom.net.recorder import Recorder
from postroom.net.session import SessionFailed
from postroom.smtp.trace import AddressTried
from postroom.terms.outcome import Stage

GREETING = dialog_of("greeting", "S: 220 mx\nC: EHLO *\nS: 250 mx\nC: QUIT\nS: 221 bye")


def has_ipv6_loopback() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def tries(recorder: Recorder) -> list[tuple[str, str]]:
    return [(event.address, event.error) for event in recorder.trace.events if isinstance(event, AddressTried)]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses: bound, not listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port that does not answer: its backlog is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_closed_port_is_refused_and_the_next_address_is_tried() -> None:
    async with playing(GREETING) as server:
        recorder = Recorder()
        made = await dial(
            ["127.0.0.2", "127.0.0.1"], server.port, recorder, timeout_s=5.0, allowed=lambda _: True
        )
        assert made is not None
        assert made[1] == "127.0.0.1"
        assert tries(recorder) == [("127.0.0.2", "refused"), ("127.0.0.1", "")]
        made[0].abort()


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no IPv6 loopback")
async def test_ipv6_and_ipv4_are_both_dialed() -> None:
    async with playing(GREETING, host="::1") as server:
        recorder = Recorder()
        session = await opened(server.port, recorder, host="[::1]")
        await session.close()
    assert tries(recorder) == [("::1", "")]


async def test_a_black_hole_delays_the_next_address_by_a_quarter_second_only(full_port: int) -> None:
    recorder = Recorder()
    began = time.monotonic()
    made = await dial(["127.0.0.1", "127.0.0.3"], full_port, recorder, timeout_s=1.0, allowed=lambda _: True)
    assert made is None
    assert ("127.0.0.3", "refused") in tries(recorder)
    assert ("127.0.0.1", "timeout") in tries(recorder)
    assert recorder.trace.events[0].at_s < 0.9
    assert time.monotonic() - began < 4.0


async def test_no_address_at_all_ends_the_session_at_connect(closed_port: int) -> None:
    recorder = Recorder()
    with pytest.raises(SessionFailed) as failed:
        await opened(closed_port, recorder)
    assert failed.value.stage is Stage.CONNECT
    assert tries(recorder) == [("127.0.0.1", "refused")]


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0"])
async def test_e1_e3_addresses_of_no_mail_server_are_never_dialed(address: str) -> None:
    recorder = Recorder()
    assert await dial([address], 25, recorder, timeout_s=5.0, allowed=lambda _: True) is None
    assert tries(recorder) == [(address, "not-allowed")]


async def test_e2_the_address_that_is_dialed_is_the_one_that_was_asked_about() -> None:
    asked = []
    recorder = Recorder()
    assert await dial(["127.0.0.1", "::1"], 1, recorder, timeout_s=5.0, allowed=lambda a: bool(asked.append(a))) is None
    assert asked == ["127.0.0.1", "::1"]
    assert [error for _, error in tries(recorder)] == ["not-allowed", "not-allowed"]


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ECONNREFUSED, "refused"), (errno.ETIMEDOUT, "timeout"), (errno.ENETUNREACH, "unreachable"),
        (errno.EHOSTUNREACH, "unreachable"), (errno.EADDRNOTAVAIL, "unreachable"), (errno.EACCES, "denied"),
        (errno.EPERM, "denied"), (errno.ECONNRESET, "reset"), (errno.EMFILE, "other"),
    ],
)
async def test_each_error_of_the_system_has_its_name(monkeypatch: pytest.MonkeyPatch, number: int, error: str) -> None:
    async def failing(*_: object, **__: object) -> None:
        raise OSError(number, "says the system")

    monkeypatch.setattr(dialing, "connected", failing)
    recorder = Recorder()
    assert await dial(["192.0.2.1"], 25, recorder, timeout_s=5.0, allowed=lambda _: True) is None
    assert tries(recorder) == [("192.0.2.1", error)]
