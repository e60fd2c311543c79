"""An IMAP server over TLS with one mailbox, which says what a test wants."""

import base64
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .certificates import Certificates

# What to answer a command with in place of the usual: lines without the tag, the last one with it as "TAG".
Answer = Callable[[str], bytes | None]


@dataclass
class ImapServer:
    """`messages` by unique id; `seen` are marked so, `moved` maps those that left to their folder."""

    password: str
    port: int = 0
    messages: dict[int, bytes] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    moved: dict[int, str] = field(default_factory=dict)
    capabilities: str = "IMAP4rev1 AUTH=PLAIN MOVE"
    answer: Answer = lambda _: None
    commands: list[str] = field(default_factory=list)

    def reply(self, tag: str, command: str) -> bytes:
        """The answer to one command, its tagged line last."""
        self.commands.append(command)
        if (other := self.answer(command)) is not None:
            return other.replace(b"TAG", tag.encode())
        verb, _, rest = command.partition(" ")
        done = f"{tag} OK done\r\n".encode()
        if verb == "CAPABILITY":
            return f"* CAPABILITY {self.capabilities}\r\n".encode() + done
        if verb == "LOGIN":
            return done if rest.endswith(f'"{self.password}"') else f"{tag} NO [AUTH] wrong {rest}\r\n".encode()
        if verb == "SELECT":
            return b"* 1 EXISTS\r\n" + done if rest == "INBOX" else f"{tag} NO no such folder\r\n".encode()
        if verb == "LOGOUT":
            return b"* BYE\r\n" + done
        return self._uid(rest) + done if verb == "UID" else done

    def _uid(self, rest: str) -> bytes:
        verb, _, words = rest.partition(" ")
        if verb == "SEARCH":
            found = sorted(set(self.messages) - self.seen - set(self.moved))
            return f"* SEARCH {' '.join(map(str, found))}\r\n".encode()
        uid = int(words.split(" ")[0])
        if verb == "FETCH":
            octets = self.messages[uid]
            return b"* 1 FETCH (UID %d BODY[]<0> {%d}\r\n%s)\r\n" % (uid, len(octets), octets)
        if verb == "MOVE":
            self.moved[uid] = words.split(" ", 1)[1].strip('"')
        elif verb == "STORE":
            self.seen.add(uid)
        return b""


@contextlib.contextmanager
def running_imap(certificates: Certificates, password: str) -> Iterator[ImapServer]:
    """The server on a free port of loopback."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.chain_file, certificates.key_file)
    listener = socket.create_server(("127.0.0.1", 0))
    server = ImapServer(password, listener.getsockname()[1])
    thread = threading.Thread(target=_serve, args=(listener, context, server), daemon=True)
    thread.start()
    yield server
    listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
    listener.close()
    thread.join(5)


def _serve(listener: socket.socket, context: ssl.SSLContext, server: ImapServer) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as sock:
            _talk(sock, server)


def _talk(sock: ssl.SSLSocket, server: ImapServer) -> None:
    sock.sendall(b"* OK ready\r\n")
    with sock.makefile("rb") as file:
        while line := file.readline():
            match = re.fullmatch(r"(\S+) (.*)", line.decode("utf-8", "replace").strip())
            if match is None:
                return
            tag, command = match.groups()
            if command.startswith("AUTHENTICATE PLAIN"):
                sock.sendall(b"+ \r\n")
                said = base64.b64decode(file.readline())
                server.commands.append("AUTHENTICATE PLAIN")
                good = said.endswith(b"\0" + server.password.encode())
                sock.sendall(f"{tag} {'OK in' if good else 'NO [AUTH] wrong ' + said.decode()}\r\n".encode())
                continue
            sock.sendall(server.reply(tag, command))
            if command == "LOGOUT":
                return

