"""(b) API batch to delivered, against django-post_office with its best settings."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from bench import postroom, smtp, traffic
from bench.figures import Goal, Part
from bench.plan import Plan

MESSAGES = 10_000
PEER, OURS = "django-post_office", "Postroom"
WITHIN_S = 600


def run(plan: Plan) -> Part:
    part = Part("b", f"{plan.of(MESSAGES):,} messages in batches through the API until delivered")
    with plan.folder() as folder, smtp.running_sink(folder) as sink, postroom.running(plan, folder) as ours:
        ours.add_server(sink.port)
        place = plan.fresh_database() or str(folder / "post_office.sqlite3")
        environment = {**os.environ, "BENCH_DATABASE": place, "BENCH_SINK": str(sink.port), "TMPDIR": str(folder)}
        if not plan.cpu_only:
            _ran("prepare", environment)
        for number in range(plan.rounds):
            if not plan.cpu_only:
                _peer_round(plan, part, sink, environment)
            _our_round(plan, part, sink, ours, str(number))
    if not plan.cpu_only:
        faster = part.ratio(f"{OURS} : {PEER}", f"{OURS}, batch to delivered", f"{PEER}, enqueued and delivered")
        part.ratio(f"{OURS} : {PEER}'s delivery alone", f"{OURS}, batch to delivered", f"{PEER}, delivery alone")
        part.goals.append(Goal("messages a second of django-post_office's times", 10, faster))
    return part


def _our_round(plan: Plan, part: Part, sink: smtp.Sink, ours: postroom.Postroom, name: str) -> None:
    messages = plan.of(MESSAGES)
    bodies = [traffic.body(n, name) for n in range(messages)]
    since, before, begun_s = sink.messages, ours.cpu_s(), time.monotonic()
    answers = ours.fill(bodies)
    arrived = sink.arrivals(since, messages, WITHIN_S)
    ours.quiet()
    if not plan.cpu_only:
        part.add(f"{OURS}, batches accepted", messages / answers.seconds, " msg/s")
        part.add(f"{OURS}, batch to delivered", messages / (arrived.last_s - begun_s), " msg/s")
    part.add_all(f"{OURS}, CPU a message,", postroom.spent_us(before, ours.cpu_s(), messages), " µs")


def _peer_round(plan: Plan, part: Part, sink: smtp.Sink, environment: dict[str, str]) -> None:
    """Its delivery is counted from the first arrival on, so that starting its command costs it nothing."""
    messages, before = plan.of(MESSAGES), _children_cpu_s()
    enqueue_s = float(_ran("enqueue", environment, str(messages)))
    since = sink.messages
    with subprocess.Popen(
        _arguments("deliver"), env=environment, cwd=_root(), stderr=subprocess.DEVNULL
    ) as delivering:
        arrived = sink.arrivals(since, messages, WITHIN_S)
        if delivering.wait(60):
            raise RuntimeError("django-post_office did not deliver")
    part.add(f"{PEER}, enqueued", messages / enqueue_s, " msg/s")
    part.add(f"{PEER}, delivery alone", arrived.per_second, " msg/s")
    delivery_s = arrived.last_s - arrived.first_s
    part.add(f"{PEER}, enqueued and delivered", messages / (enqueue_s + delivery_s), " msg/s")
    part.add(f"{PEER}, CPU a message", (_children_cpu_s() - before) * 1e6 / messages, " µs")


def _ran(what: str, environment: dict[str, str], *more: str) -> str:
    done = subprocess.run(
        [*_arguments(what), *more], env=environment, cwd=_root(), capture_output=True, text=True, timeout=WITHIN_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"django-post_office could not {what}: {done.stderr[-1000:]}")
    return done.stdout


def _arguments(what: str) -> list[str]:
    return [sys.executable, "-m", "bench.peers.post_office_app", what]


def _root() -> Path:
    return Path(__file__).parents[2]


def _children_cpu_s() -> float:
    """What ended child processes have computed."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
