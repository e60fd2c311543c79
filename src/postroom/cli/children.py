"""Child processes of the supervisor: started, watched, started again, stopped."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence

RESTART_FIRST_S = 0.2
RESTART_MOST_S = 10.0
# A child that ran this long is healthy again: its next restart comes at once.
HEALTHY_AFTER_S = 60.0
# A child that never became ready in this many tries will not: the start has failed.
FIRST_TRIES = 3


class ChildNeverReady(Exception):
    """A child ended before it was ever ready, several times in a row."""


class Child:
    """One role's process, `postroom serve ROLE`, kept running until `stop`.

    `descriptors` are inherited besides those of the life line. `ready` is set once the process does its work.
    """

    def __init__(self, role: str, arguments: Sequence[str] = (), descriptors: Sequence[int] = ()) -> None:
        self.role = role
        self.ready = asyncio.Event()
        self._arguments, self._descriptors = tuple(arguments), tuple(descriptors)
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def keep_running(self) -> None:
        """Start the process and start it again whenever it ends, until `stop`. Raises ChildNeverReady."""
        pause_s, tries = RESTART_FIRST_S, 0
        while not self._stopping.is_set():
            began = time.monotonic()
            ending = await self._run_once()
            if self._stopping.is_set():
                return
            tries += 1
            if not self.ready.is_set() and tries >= FIRST_TRIES:
                raise ChildNeverReady(f"the {self.role} process {ending} before it was ready, {tries} times")
            pause_s = RESTART_FIRST_S if time.monotonic() - began > HEALTHY_AFTER_S else pause_s
            print(f"The {self.role} process {ending}; it starts again in {pause_s:g} s.", file=sys.stderr, flush=True)
            await self._pause(pause_s)
            pause_s = min(pause_s * 2, RESTART_MOST_S)

    async def stop(self, within_s: float) -> bool:
        """End the process by SIGTERM, and by SIGKILL after `within_s` seconds; whether it ended by itself."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return True
        _signal(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), within_s)
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            await process.wait()
            return False
        return True

    def kill(self) -> None:
        """End the process at once."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            _signal(self._process, signal.SIGKILL)

    async def _run_once(self) -> str:
        """One life of the process; how it ended, in words."""
        lifeline_read, lifeline_write = os.pipe()
        ready_read, ready_write = os.pipe()
        fds = ["--lifeline-fd", str(lifeline_read), "--ready-fd", str(ready_write)]
        try:
            # A session of its own: Ctrl-C reaches the supervisor alone, which stops the children in order.
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "postroom", "serve", self.role, *self._arguments, *fds,
                pass_fds=(lifeline_read, ready_write, *self._descriptors),
                stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
            )
        finally:
            os.close(lifeline_read)
            os.close(ready_write)
        if self._stopping.is_set():
            _signal(process, signal.SIGTERM)
        loop = asyncio.get_running_loop()
        loop.add_reader(ready_read, self._hear, ready_read)
        try:
            status = await process.wait()
        finally:
            loop.remove_reader(ready_read)
            os.close(ready_read)
            os.close(lifeline_write)
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    def _hear(self, ready_read: int) -> None:
        if os.read(ready_read, 64):
            self.ready.set()
        else:
            asyncio.get_running_loop().remove_reader(ready_read)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except ProcessLookupError:
        return
