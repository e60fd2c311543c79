"""Plays the server's side of a dialog file.

A dialog is text, one act a line; blank lines and lines that begin with # are for the reader.

    = KEY VALUE     what the test around it is to set or to expect (see tests/net/test_dialogs.py)
    S: TEXT         send TEXT and CR LF
    S> TEXT         send TEXT as it stands; \\r \\n \\xNN \\\\ are escapes here and in every act below
    C: PATTERN      expect a line that matches PATTERN (*, ? and [] as in file names, letter case ignored)
    C.              expect content up to its final dot
    B: PATTERN      expect BDAT, as C:, and its chunk
    pause SECONDS
    drip SECONDS TEXT     send TEXT one octet every SECONDS, again and again
    flood TEXT      send TEXT again and again, as fast as the peer takes it
    tls             shake hands as a TLS server
    tls-alert       shake hands as one that may refuse the client's: an alert is the last thing it says
    silence         say nothing until the peer leaves
    deaf            neither say nor read anything for a minute
    drop            close the connection
    reset           close it with a TCP reset

The end of a dialog closes the connection after the peer has left, or after 0.2 s.
"""

import asyncio
import codecs
import contextlib
import fnmatch
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent
_FLOOD_BYTES = 1 << 20


@dataclass(frozen=True)
class Dialog:
    """A dialog file's acts and its values."""

    name: str
    acts: tuple[tuple[str, str], ...]
    values: dict[str, str]


def dialog(name: str) -> Dialog:
    """The dialog of tests/dialogs/NAME.smtp."""
    return dialog_of(name, (FOLDER / f"{name}.smtp").read_text(encoding="utf-8"))


def dialog_of(name: str, text: str) -> Dialog:
    """A dialog given as text."""
    acts, values = [], {}
    for line in text.splitlines():
        act, _, rest = line.strip().partition(" ")
        if act == "=":
            key, _, value = rest.partition(" ")
            values[key] = value
        elif act and not act.startswith("#"):
            acts.append((act, rest))
    return Dialog(name, tuple(acts), values)


def dialog_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.smtp"))


@dataclass
class Playing:
    """A server that plays: connection by connection the next dialog, the last one for ever.

    `clear_lines` are those of `lines` that came without TLS around them.
    """

    port: int = 0
    lines: list[str] = field(default_factory=list)
    clear_lines: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    sent_bytes: int = 0
    connections: int = 0


class _Player:
    def __init__(
        self,
        playing: Playing,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext | None,
    ) -> None:
        self._playing, self._reader, self._writer, self._context = playing, reader, writer, context
        self._is_clear = not writer.get_extra_info("sslcontext")

    async def play(self, acts: tuple[tuple[str, str], ...]) -> None:
        try:
            for act, rest in acts:
                await self._act(act, rest)
            await self._until_left(0.2)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, EOFError):
            return
        finally:
            self._writer.close()

    async def _act(self, act: str, rest: str) -> None:
        match act:
            case "S:":
                await self._send(rest.encode() + b"\r\n")
            case "S>":
                await self._send(_octets(rest))
            case "C:":
                await self._expect(rest)
            case "C.":
                self._playing.contents.append(await self._reader.readuntil(b"\r\n.\r\n"))
            case "B:":
                await self._expect(rest)
                size_bytes = int(self._playing.lines[-1].split()[1])
                self._playing.contents.append(await self._reader.readexactly(size_bytes))
            case "pause":
                await asyncio.sleep(float(rest))
            case "drip":
                seconds, _, text = rest.partition(" ")
                await self._drip(float(seconds), _octets(text))
            case "flood":
                octets = _octets(rest)
                while True:
                    await self._send(octets * max(1, 65_536 // len(octets)))
            case "tls":
                assert self._context is not None
                await self._writer.start_tls(self._context)
                self._is_clear = False
            case "tls-alert":
                await self._alert()
            case "silence":
                await self._until_left(60.0)
            case "deaf":
                self._writer.transport.pause_reading()  # type: ignore[attr-defined]
                await asyncio.sleep(60.0)
            case "drop":
                self._writer.close()
                raise EOFError
            case "reset":
                self._reset()
                raise EOFError
            case _:
                raise AssertionError(f"no such act: {act}")

    async def _send(self, octets: bytes) -> None:
        self._writer.write(octets)
        self._playing.sent_bytes += len(octets)
        await self._writer.drain()

    async def _expect(self, pattern: str) -> None:
        line = (await self._reader.readuntil(b"\n")).rstrip(b"\r\n").decode("utf-8", "replace")
        self._heard([line])
        if not fnmatch.fnmatch(line.lower(), pattern.lower()):
            self._playing.problems.append(f"expected {pattern!r}, got {line!r}")
            raise EOFError

    async def _drip(self, seconds: float, octets: bytes) -> None:
        while True:
            for octet in octets:
                await self._send(bytes([octet]))
                await asyncio.sleep(seconds)

    async def _until_left(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while rest := await self._reader.read(65_536):
                    self._heard(rest.decode("utf-8", "replace").splitlines())

    def _heard(self, lines: list[str]) -> None:
        self._playing.lines += lines
        if self._is_clear:
            self._playing.clear_lines += lines

    async def _alert(self) -> None:
        """Asyncio's own handshake closes the connection without the alert that tells why."""
        assert self._context is not None
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        layer = self._context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                layer.do_handshake()
            except ssl.SSLWantReadError:
                await self._send(outgoing.read())
                incoming.write(await self._reader.read(65_536) or _ended())
            except ssl.SSLError:
                await self._send(outgoing.read())
                raise
            else:
                raise EOFError

    def _reset(self) -> None:
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


def _ended() -> bytes:
    raise EOFError


def _octets(text: str) -> bytes:
    octets, _ = codecs.escape_decode(text.encode("utf-8"))  # type: ignore[attr-defined]
    return bytes(octets)


@contextlib.asynccontextmanager
async def playing(
    *dialogs: Dialog,
    context: ssl.SSLContext | None = None,
    implicit_tls: bool = False,
    host: str = "127.0.0.1",
    limit: int = _FLOOD_BYTES,
    strict: bool = True,
) -> AsyncIterator[Playing]:
    """A server on loopback that plays `dialogs`; when `strict`, every problem it met fails the test at the end."""
    state = Playing()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        acts = dialogs[min(state.connections, len(dialogs) - 1)].acts
        state.connections += 1
        with contextlib.suppress(asyncio.CancelledError):
            await _Player(state, reader, writer, context).play(acts)

    server = await asyncio.start_server(
        connected, host, 0, ssl=context if implicit_tls else None, limit=limit
    )
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not (strict and state.problems), state.problems
