"""The real processes of an installation, started, killed and started again by the test itself."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.rig.installation import Installation
from tests.rig.postgresql import Cluster

READY_WITHIN_S = 30.0


class Role:
    """`postroom serve ROLE` as a process that comes back after each kill."""

    def __init__(self, installation: Installation, name: str, *options: str, label: str = "") -> None:
        self.name = name
        self._installation, self._options = installation, options
        self._log = (installation.data / f"{label or name}.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = -1

    def start(self) -> None:
        """Start the process; it is not ready yet."""
        self._ready, said = os.pipe()
        self._process = subprocess.Popen(
            [*self.arguments(), "--ready-fd", str(said)], pass_fds=(said,), stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=self._log, env=self._installation.environment, start_new_session=True,
        )
        os.close(said)

    def arguments(self) -> list[str]:
        return self._installation.arguments("serve", self.name, *self._options)

    def await_ready(self) -> None:
        """Wait until the process says that it works; fails when it ends first."""
        readable, _, _ = select.select([self._ready], [], [], READY_WITHIN_S)
        assert readable, f"{self.name} was not ready within {READY_WITHIN_S:g} s"
        assert os.read(self._ready, 64), f"{self.name} ended before it was ready:\n{self.said}"

    @property
    def peak_bytes(self) -> int:
        """The most memory that the process has had at once (Linux)."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024

    @property
    def said(self) -> str:
        """The end of what it has logged."""
        return Path(self._log.name).read_text(errors="replace")[-4000:]

    def kill(self) -> None:
        """End the process at once, as kill -9 does, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal that does not end it."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> int:
        """End it by SIGTERM; its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        status = self._process.wait(35)
        os.close(self._ready)
        self._process = None
        return status

    def close(self) -> None:
        self.kill()
        self._log.close()


class DatabaseServer:
    """A private PostgreSQL as a role that can be killed."""

    name = "database"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def start(self) -> None:
        self._cluster.start()

    def await_ready(self) -> None:
        """It is when `start` returns."""

    def kill(self) -> None:
        """End it at once, without writing anything more: it recovers from its log when it starts again."""
        self._cluster.stop(signal.SIGQUIT)


class SinkProcess:
    """The counting sink. It is never killed while it counts."""

    def __init__(self, record: Path, port: int = 0) -> None:
        self.record = record
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.sink", str(record), str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=10)


def eventually(true: object, within_s: float, pause_s: float = 0.1) -> bool:
    """Whether the callable `true` comes to answer true in time."""
    assert callable(true)
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(pause_s)
    return bool(true())
