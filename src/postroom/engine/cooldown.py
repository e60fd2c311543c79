"""How long a server that failed as a whole is left alone."""

import random
import time

from postroom.policy.retry import cooldown_s


class Cooldown:
    """Grows with each failure in a row; failures at the same time count once."""

    def __init__(self) -> None:
        self.failures = 0
        self._until_s = 0.0

    @property
    def left_s(self) -> float:
        """Seconds until the server may be tried again; 0 when it may be tried now."""
        return max(0.0, self._until_s - time.monotonic())

    def fail(self, *, sign_in: bool) -> bool:
        """The server failed; whether that begins a new pause, rather than falling into one."""
        if self.left_s > 0:
            return False
        self.failures += 1
        self._until_s = time.monotonic() + cooldown_s(self.failures, random.random(), sign_in=sign_in)
        return True

    def rest(self, seconds: float) -> None:
        """Begin nothing for so long, for a reason that is not the server's."""
        self._until_s = max(self._until_s, time.monotonic() + seconds)

    def end(self) -> None:
        """The server works, or was changed: nothing is held against it."""
        self.failures, self._until_s = 0, 0.0
