"""(c) One message a request, over 16 and 64 connections, against a view of Django's ORM and django-ninja."""

import contextlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.rig.programs import free_port, running, wait_for_port

from bench import http_load, postroom, processes, smtp, traffic
from bench.figures import Goal, Part, Series
from bench.plan import Plan

CONNECTIONS = (16, 64)
SECONDS = 8.0
QUEUED = 20_000
PEER = "ORM + ninja under granian (WSGI)"


def run(plan: Plan) -> Part:
    part = Part("c", "POST /api/v1/messages, one message a request, 5 KB, token and idempotency key")
    with plan.folder() as folder, smtp.running_sink(folder) as sink, postroom.running(plan, folder) as ours:
        ours.add_server(sink.port)
        with _peer(folder) as (peer_port, peer_pid):
            for number in range(plan.rounds):
                if plan.with_peers:
                    _peer_round(plan, part, peer_port, peer_pid, ours)
                _quiet_round(plan, part, ours, f"quiet {number}")
        for number in range(plan.rounds):
            _busy_round(plan, part, sink, ours, f"busy {number}")
    if not plan.cpu_only:
        _judge(part)
    return part


def _judge(part: Part) -> None:
    for connections in CONNECTIONS:
        at = f"{connections} connections"
        faster = part.ratio(f"Postroom : {PEER}, {at}", f"Postroom, {at}", f"{PEER}, {at}")
        part.goals.append(Goal(f"requests a second of the peer's, {at}, times", 3, faster))
    slowest = [part.rows.get(f"p99 while delivering, {connections} connections") for connections in CONNECTIONS]
    worst = max((series for series in slowest if series), key=lambda series: series.median, default=Series(" ms"))
    part.goals.append(Goal("p99 while the engine delivers at full load", 100, worst, at_most=True))


def requests_of(ours: postroom.Postroom, name: str) -> Iterator[bytes]:
    """Requests without end, each with one message under a key of its own."""
    for number in itertools.count():
        yield ours.request("messages", traffic.body(number, name), key=f"{name}-{number}")


def _peer_round(plan: Plan, part: Part, port: int, pid: int, ours: postroom.Postroom) -> None:
    for connections in CONNECTIONS:
        before = processes.cpu_s(pid)
        answers = _answered(http_load.load(port, requests_of(ours, "peer"), connections, plan.seconds(SECONDS)))
        at = f"{connections} connections"
        part.add(f"{PEER}, {at}", answers.per_second, " req/s")
        part.add(f"{PEER}, p99, {at}", answers.p99_ms, " ms")
        part.add(f"{PEER}, CPU, {at}", (processes.cpu_s(pid) - before) * 1e6 / len(answers.taken_s), " µs")


def _quiet_round(plan: Plan, part: Part, ours: postroom.Postroom, name: str) -> None:
    """The server is paused, so that nothing is measured but the door."""
    ours.pause()
    for connections in CONNECTIONS:
        before = ours.cpu_s()
        load = http_load.load(
            ours.port, requests_of(ours, f"{name} {connections}"), connections, plan.seconds(SECONDS)
        )
        answers, at = _answered(load), f"{connections} connections"
        ours.quiet()
        if not plan.cpu_only:
            part.add(f"Postroom, {at}", answers.per_second, " req/s")
            part.add(f"Postroom, p50, {at}", answers.p50_ms, " ms")
            part.add(f"Postroom, p99, {at}", answers.p99_ms, " ms")
        spent = postroom.spent_us(before, ours.cpu_s(), len(answers.taken_s))
        part.add_all(f"Postroom, CPU, {at},", spent, " µs")
    ours.resume()
    ours.quiet()


def _busy_round(plan: Plan, part: Part, sink: smtp.Sink, ours: postroom.Postroom, name: str) -> None:
    """A full queue is on its way out all the time."""
    for connections in CONNECTIONS:
        ours.pause()
        ours.fill([traffic.body(n, f"{name} {connections} queued") for n in range(plan.of(QUEUED))])
        ours.resume()
        sink.arrivals(sink.messages, 1, 30)
        load = http_load.load(
            ours.port, requests_of(ours, f"{name} {connections}"), connections, plan.seconds(SECONDS) / 2
        )
        answers, at = _answered(load), f"{connections} connections"
        if not plan.cpu_only:
            part.add(f"while delivering, {at}", answers.per_second, " req/s")
            part.add(f"p50 while delivering, {at}", answers.p50_ms, " ms")
            part.add(f"p99 while delivering, {at}", answers.p99_ms, " ms")
        ours.quiet()


def _answered(answers: http_load.Answers) -> http_load.Answers:
    if answers.refused:
        raise RuntimeError(f"{len(answers.refused)} requests were refused: {answers.refused[0]}")
    return answers


@contextlib.contextmanager
def _peer(folder: Path) -> Iterator[tuple[int, int]]:
    port, log = free_port(), folder / "peer.log"
    arguments = [
        "/usr/bin/env", f"BENCH_DATABASE={folder / 'peer.sqlite3'}", sys.executable, "-m", "granian", "--interface",
        "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--blocking-threads", "1",
        "--no-access-log", "bench.peers.ninja_app:application",
    ]
    with running(arguments, log=log) as process:
        wait_for_port(port, process, log)
        yield port, process.pid
