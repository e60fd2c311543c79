"""Waits for a test that an engine runs."""

import time
from collections.abc import Callable

from postroom.flow.instance.refusals import NotPossible
from postroom.flow.servers.configure import stop_test
from postroom.store.heartbeat import engine_is_running
from postroom.store.models import ServerTest
from postroom.terms.limits import TEST_TIMEOUT_S

# Another test may be under way first; each ends within TEST_TIMEOUT_S.
WITHIN_S = 2 * TEST_TIMEOUT_S + 15
_LOOK_S = 0.2


def ended_test(start: Callable[[], ServerTest], actor: str) -> ServerTest:
    """The test that `start` queues, once it is over.

    Raises NotPossible where no engine runs, before anything is queued, and where none ended it in time: it is stopped
    then, as it is when the wait is interrupted. Raises what `start` raises.
    """
    if not engine_is_running():
        raise NotPossible("No engine is running, and a live test is run by the engine. Start it with: postroom run")
    test = start()
    try:
        ends_s = time.monotonic() + WITHIN_S
        while not test.is_over and time.monotonic() < ends_s:
            time.sleep(_LOOK_S)
            test.refresh_from_db()
    finally:
        if not test.is_over:
            stop_test(test, actor)
    if not test.is_over:
        raise NotPossible(f"No engine ended the test within {WITHIN_S:.0f} s. It is stopped.")
    return test
