"""The notebook of one session: its clock and its trace."""

import time
from collections.abc import Callable

from postroom.smtp.trace import Event, StageEnded, StageStarted, Trace
from postroom.terms.outcome import Stage


class Recorder:
    """Collects events; `on_event` sees each as it happens. `now_s` counts seconds from the recorder's creation."""

    def __init__(self, on_event: Callable[[Event], None] | None = None) -> None:
        self.trace = Trace()
        self._on_event = on_event
        self._started = time.monotonic()

    def now_s(self) -> float:
        return time.monotonic() - self._started

    def add(self, event: Event) -> None:
        self.trace.append(event)
        if self._on_event is not None:
            self._on_event(event)

    def stage_started(self, stage: Stage) -> None:
        self.add(StageStarted(self.now_s(), stage))

    def stage_ended(self, stage: Stage, passed: bool, detail: str = "") -> None:
        self.add(StageEnded(self.now_s(), stage, passed, detail))
