"""The socket of pages and API. The supervisor owns it, so that a restarted web process loses no connection."""

import errno
import ipaddress
import socket

Listener = socket.socket


class ListenRefused(OSError):
    """The address can't be listened on; the text says why, `hint` what to do."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


def listening_socket(host: str, port: int) -> Listener:
    """A socket listening on an IP address (or "localhost") and port; port 0 is a free one. Raises ListenRefused."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise ListenRefused(
            f"--host {host!r} is not an address of this machine",
            "Name an IP address: 127.0.0.1 for this machine alone, 0.0.0.0 for every network it is on.",
        ) from None
    try:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        return socket.create_server((str(address), port), family=family, backlog=1024)
    except OSError as error:
        raise ListenRefused(_reason(error, host, port), _hint(error)) from None


def inherited_socket(descriptor: int) -> Listener:
    """The listening socket that the supervisor handed down."""
    return socket.socket(fileno=descriptor)


def port_of(listener: Listener) -> int:
    """The port that a listening socket really has."""
    return int(listener.getsockname()[1])


def _reason(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} on {host} is in use by another program"
        case errno.EACCES:
            return f"this user may not listen on port {port}"
        case errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine"
        case _:
            return f"can't listen on {host} port {port}: {error.strerror}"


def _hint(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "Choose another with --port, or stop the other program (ss -ltnp shows it)."
        case errno.EACCES:
            return "Choose a port above 1023 with --port and put a reverse proxy before it."
        case _:
            return "Name one of this machine's addresses with --host, such as 127.0.0.1."
