"""What ties a child to its supervisor: a pipe whose end means that the supervisor is gone, and one to say "ready"."""

import os
import signal
import threading
import time

GRACE_S = 10.0


def tie_to(lifeline: int) -> None:
    """Stop this process by SIGTERM when the pipe `lifeline` closes at its other end, and surely `GRACE_S` later."""
    threading.Thread(target=_watch, args=(lifeline,), name="lifeline", daemon=True).start()


def say_ready(descriptor: int) -> None:
    """Tell the supervisor that this process does its work now."""
    os.write(descriptor, b"ready\n")
    os.close(descriptor)


def _watch(lifeline: int) -> None:
    while os.read(lifeline, 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)
