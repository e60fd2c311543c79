"""A whole Postroom as people run it: `postroom run` on a data directory of its own, with everything it prints."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

READY_WITHIN_S = 60.0
STOPPED_WITHIN_S = 35.0


class Installation:
    """A data directory and what may be asked of it by command, as a person in a terminal would."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("POSTROOM_", "DJANGO_"))}
        self.environment = {**inherited, "POSTROOM_DATA": str(data), **environment}

    def command(self, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """`postroom WORDS` with `said` on standard input, ended."""
        return subprocess.run(
            self.arguments(*words), input=said, capture_output=True, text=True, timeout=60, env=self.environment,
            check=False,
        )

    def arguments(self, *words: str) -> list[str]:
        """The process arguments of `postroom WORDS`."""
        return [sys.executable, "-m", "postroom", *words]


class Run:
    """A running `postroom run`. `lines` is what it has printed so far, standard error included."""

    def __init__(self, installation: Installation, process: subprocess.Popen[str]) -> None:
        self.installation = installation
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def url(self) -> str:
        """Where pages and API are, once they are."""
        return self.said(r"Postroom is ready at (\S+)")

    @property
    def setup_url(self) -> str:
        """The one-time set-up link."""
        return self.said(r"Set up Postroom: (\S+)")

    def said(self, pattern: str, within_s: float = READY_WITHIN_S) -> str:
        """The first group of `pattern` in the output, once it is there; fails when the run ends or time is up."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            if match := re.search(pattern, self.output):
                return match.group(1)
            if ended:
                break
            time.sleep(0.02)
        raise AssertionError(f"it never said {pattern!r}; it said:\n{self.output[-4000:]}")

    def children(self) -> dict[str, int]:
        """Process ids of the child processes by role."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                parent = re.search(r"^PPid:\t(\d+)$", (entry / "status").read_text(), re.MULTILINE)
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if parent and int(parent.group(1)) == self.process.pid and b"serve" in words:
                    found[words[words.index(b"serve") + 1].decode()] = int(entry.name)
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            said = self.output[-4000:]
            raise AssertionError(f"it did not stop within {STOPPED_WITHIN_S} s; it said:\n{said}") from None
        self._reader.join(10)
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)


@contextlib.contextmanager
def running_postroom(installation: Installation, *words: str) -> Iterator[Run]:
    """`postroom run` on the installation and a free port, ready, while the block runs."""
    arguments = installation.arguments("run", "--data", str(installation.data), "--port", "0", *words)
    with subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=installation.environment, start_new_session=True,
    ) as process:
        run = Run(installation, process)
        try:
            assert run.url
            yield run
        finally:
            run.stop()
