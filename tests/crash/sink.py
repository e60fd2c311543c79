"""The counting sink: an SMTP server that durably records what it answers 250, in a process of its own.

`python -m tests.crash.sink RECORD PORT` prints its port (a free one for 0) and ends with its standard input. Each line
of RECORD is "Message-ID recipient", written and synced before the 250 leaves: the judge of the crash test never forgets
a message that its peer may believe to be sent.
"""

import asyncio
import os
import random
import sys
from email.parser import BytesHeaderParser


class Sink:
    """Answers slowly enough that a kill often falls between the record and the reply."""

    def __init__(self, record: str) -> None:
        self._record = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipients: list[str] = []
        writer.write(b"220 sink ESMTP\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line[:4].upper()
            if verb == "EHLO":
                writer.write(b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                await asyncio.sleep(random.random() * 0.01)
                self._keep(content, recipients)
                await asyncio.sleep(random.random() * 0.02)
                writer.write(b"250 2.0.0 kept\r\n")
                recipients = []
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                if verb == "RCPT":
                    recipients.append(line[9:].split(">")[0])
                writer.write(b"250 2.0.0 ok\r\n")
            await writer.drain()

    def _keep(self, content: bytes, recipients: list[str]) -> None:
        message_id = BytesHeaderParser().parsebytes(content)["Message-ID"]
        os.write(self._record, "".join(f"{message_id} {recipient}\n" for recipient in recipients).encode())
        os.fdatasync(self._record)


async def main(record: str, port: int) -> None:
    server = await asyncio.start_server(Sink(record).visit, "127.0.0.1", port, limit=4 * 1024 * 1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
