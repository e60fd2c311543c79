"""(f) What claiming and accepting cost with 1,000 and with 1,000,000 messages in the queue."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import Goal, Part
from bench.plan import Plan

SMALL, LARGE = 1_000, 1_000_000
NAMES = {"claim": "claiming 32 at once", "accept": "accepting 100 at once", "settle": "settling 32 at once"}


class Worker:
    """A process that has a queue to itself."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, *words: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(*words, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the queue's process ended; what it said stands above")
        return dict(json.loads(answer))


def run(plan: Plan) -> Part:
    small, large = SMALL, plan.of(LARGE, 2 * SMALL)
    part = Part("f", f"Cost a message with {small:,} and with {large:,} messages queued")
    with plan.folder() as folder, _worker(plan, folder / "small") as few, _worker(plan, folder / "large") as many:
        few.ask("fill", small)
        many.ask("fill", large)
        for worker in (few, many):
            worker.ask("measure")  # warms the caches of both alike
        for _ in range(plan.rounds):
            for depth, worker in ((small, few), (large, many)):
                _noted(plan, part, depth, worker.ask("measure"))
    for kind in ("claim", "accept"):
        measure = "CPU" if plan.cpu_only else "time"
        above, below = (f"{measure}, {NAMES[kind]}, of {depth:,}" for depth in (large, small))
        ratio = part.ratio(f"{kind}: {large:,} to {small:,}, {measure}", above, below)
        name = f"{kind} with {large:,} queued, of that with {small:,}, times"
        part.goals.append(Goal(name, 1.5, ratio, at_most=True))
    return part


def _noted(plan: Plan, part: Part, depth: int, measured: dict[str, Any]) -> None:
    for kind, name in NAMES.items():
        if not plan.cpu_only:
            part.add(f"time, {name}, of {depth:,}", measured[f"{kind}_us"], " µs a message")
        part.add(f"CPU, {name}, of {depth:,}", measured[f"{kind}_cpu_us"], " µs a message")


@contextlib.contextmanager
def _worker(plan: Plan, data: Path) -> Iterator[Worker]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("POSTROOM_", "DJANGO_"))}
    environment = {**inherited, "POSTROOM_DATA": str(data)}
    if database := plan.fresh_database():
        environment["POSTROOM_DATABASE_URL"] = database
    with subprocess.Popen(
        [sys.executable, "-m", "bench.queue_worker"], env=environment, cwd=Path(__file__).parents[2], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        try:
            yield Worker(process)
        finally:
            process.stdin.close()
