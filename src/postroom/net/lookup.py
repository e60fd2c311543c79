"""Names to addresses with the system's resolver, for threads that have until an instant: the resolver itself knows none
and may ask name servers that do not answer for half a minute."""

import socket
import threading

from .resolve import canonical_host


def addresses_within(host: str, port: int, timeout_s: float) -> list[str]:
    """The addresses of a host, each once, in the system's order. Raises TimeoutError, and OSError and ValueError for a
    name that has none (blocking)."""
    name = canonical_host(host)
    found: list[str] = []
    faults: list[Exception] = []

    def look() -> None:
        try:
            answer = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            faults.append(error)
        else:
            found.extend(dict.fromkeys(str(item[4][0]) for item in answer))

    # Nothing ends getaddrinfo: a thread that is late is left to itself, and ends with the system's own limits.
    thread = threading.Thread(target=look, name="lookup", daemon=True)
    thread.start()
    thread.join(max(0.0, timeout_s))
    if faults:
        raise faults[0]
    if thread.is_alive():
        raise TimeoutError(f"the name service did not answer within {round(max(0.0, timeout_s), 1):g} s")
    return found
