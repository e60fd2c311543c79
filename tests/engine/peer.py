"""An SMTP server that says what a test wants, and remembers what it heard."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Answer = Callable[["Visit", str], "str | Awaitable[str | None] | None"]


@dataclass
class Visit:
    """One connection. `envelope` fills up with each transaction."""

    number: int
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    content: bytes = b""
    messages: int = 0


@dataclass
class Taken:
    """A message that was answered 250 after the final dot."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    visit: int


class Peer:
    """Answers every command 250 (354 to DATA) unless `answer(visit, line)` says otherwise; "" closes the connection.

    `answer` sees command lines in full, "greeting", and "dot" for the final dot.
    """

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer or (lambda _visit, _line: None)
        self.extensions = ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 100000000"]
        self.taken: list[Taken] = []
        self.visits = 0
        self.open = 0
        self.most_open = 0
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Peer":
        self._server = await asyncio.start_server(self._visit, "127.0.0.1", 0, limit=1 << 26)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self._converse(Visit(self.visits), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self.open -= 1
            writer.close()

    async def _converse(self, visit: Visit, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._say(visit, writer, "greeting", "220 peer ESMTP"):
            return
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            verb = line.split(" ")[0].upper()
            said = await self._say(visit, writer, line, self._usual(visit, verb))
            if not said or verb == "QUIT":
                return
            if verb in ("MAIL", "RSET"):
                visit.sender = line[11:].split(">")[0] if verb == "MAIL" and said.startswith("2") else ""
                visit.recipients = []
            elif verb == "RCPT" and said.startswith("2"):
                visit.recipients.append(line[9:].split(">")[0])
            elif verb == "DATA" and said.startswith("3"):
                visit.messages += 1
                visit.content = (await reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
                said = await self._say(visit, writer, "dot", "250 2.0.0 taken")
                if not said:
                    return
                if said.startswith("2"):
                    self.taken.append(Taken(visit.sender, tuple(visit.recipients), visit.content, visit.number))
                visit.sender = ""

    async def _say(self, visit: Visit, writer: asyncio.StreamWriter, line: str, usual: str) -> str:
        given = self.answer(visit, line)
        said = await given if isinstance(given, Awaitable) else given
        said = usual if said is None else said
        if said:
            writer.write(said.encode() + b"\r\n")
            await writer.drain()
        return said

    def _usual(self, visit: Visit, verb: str) -> str:
        if (verb == "RCPT" and not visit.sender) or (verb == "DATA" and not visit.recipients):
            return "503 5.5.1 not now"
        return {"EHLO": self._ehlo(), "DATA": "354 go on", "QUIT": "221 bye"}.get(verb, "250 2.0.0 ok")

    def _ehlo(self) -> str:
        lines = ["peer", *self.extensions]
        return "\r\n".join(f"250{'-' if i < len(lines) - 1 else ' '}{text}" for i, text in enumerate(lines))


class StalledPeer(Peer):
    """Answers the first final dot when `goes_on` is set."""

    def __init__(self) -> None:
        super().__init__(self._at)
        self.stalls, self.goes_on = asyncio.Event(), asyncio.Event()

    async def _at(self, _: Visit, line: str) -> None:
        if line == "dot" and not self.stalls.is_set():
            self.stalls.set()
            await asyncio.wait_for(self.goes_on.wait(), 5)
