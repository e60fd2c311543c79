"""Servers of the rig as child processes: free ports, waiting until they answer, ending them by their own process."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

STARTS_WITHIN_S = 20.0


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(arguments: list[str], *, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs in the foreground while the block does; its output goes to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path, *, greeting: bytes = b"") -> None:
    """Return once a connection to `port` begins with `greeting`; fails with the program's own words otherwise."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            if connection.recv(len(greeting)) == greeting:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}; it said:\n{log.read_text(errors='replace')[-4000:]}")


def wait_for_file(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once `path` exists; fails with the program's own words otherwise."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path.name} did not appear; it said:\n{log.read_text(errors='replace')[-4000:]}")
