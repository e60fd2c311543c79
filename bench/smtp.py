"""Postfix's own test programs: smtp-source, which sends as fast as it can, and smtp-sink, which takes everything."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import needed_program
from tests.rig.programs import free_port, running, wait_for_port

LOOK_S = 0.004
SENDER, RECIPIENT = "reports@example.com", "someone@example.org"


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When the first and the last of so many messages arrived, on the monotonic clock."""

    first_s: float
    last_s: float
    messages: int

    @property
    def per_second(self) -> float:
        return self.messages / max(self.last_s - self.first_s, LOOK_S)


class Sink:
    """A running smtp-sink and its counter, which it writes to a file with each message."""

    def __init__(self, port: int, pid: int, counter: Path) -> None:
        self.port, self.pid, self._counter = port, pid, counter

    @property
    def messages(self) -> int:
        """How many have arrived so far."""
        with self._counter.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 120))
            whole = re.findall(rb"mesg=(\d+)\r", file.read())  # what is being written ends anywhere
        return int(whole[-1]) if whole else 0

    def arrivals(self, since: int, messages: int, within_s: float) -> Arrivals:
        """Wait until `messages` have come after the first `since`; fails when they don't in time."""
        deadline, first_s = time.monotonic() + within_s, 0.0
        while True:
            come, now_s = self.messages - since, time.monotonic()
            if come and not first_s:
                first_s = now_s
            if come >= messages:
                return Arrivals(first_s, now_s, messages)
            if now_s > deadline:
                raise TimeoutError(f"{come:,} of {messages:,} messages arrived within {within_s:g} s")
            time.sleep(LOOK_S)


@contextmanager
def running_sink(folder: Path) -> Iterator[Sink]:
    """smtp-sink while the block runs."""
    program, port = needed_program("smtp-sink"), free_port()
    counter = folder / f"sink-{port}"
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with running([program, *user, "-c", "-m", "1000", f"127.0.0.1:{port}", "1000"], log=counter) as process:
        wait_for_port(port, process, counter, greeting=b"220 ")
        yield Sink(port, process.pid, counter)


def send(port: int, messages: int, *, size_bytes: int, sessions: int) -> "subprocess.Popen[bytes]":
    """smtp-source at work: connections are kept; it ends once all messages are taken."""
    arguments = [
        needed_program("smtp-source"), "-d", "-s", str(sessions), "-m", str(messages), "-l", str(size_bytes),
        "-f", SENDER, "-t", RECIPIENT, f"127.0.0.1:{port}",
    ]
    return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


def ended(source: "subprocess.Popen[bytes]", within_s: float) -> float:
    """When smtp-source ended, on the monotonic clock; fails when it ended in error."""
    try:
        _, said = source.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        source.kill()
        source.communicate()
        raise
    at_s = time.monotonic()
    if source.returncode:
        raise RuntimeError(f"smtp-source ended with {source.returncode}: {said.decode(errors='replace')[-500:]}")
    return at_s
