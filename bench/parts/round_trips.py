"""(d) Round trips a message on one warm connection, over a line of 40 ms, against the clients that people use."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import postroom, smtp, traffic
from bench.figures import Goal, Part, Verdict
from bench.peers.clients import NODEMAILER
from bench.plan import Plan

ROUND_TRIP_S = 0.040
MESSAGES = 100
WITHIN_S = 120.0
UNIT = " round trips"
MODULES = "/usr/share/nodejs"


def run(plan: Plan) -> Part:
    part = Part("d", f"Round trips of {ROUND_TRIP_S * 1000:.0f} ms a message, one connection")
    with (
        plan.folder() as folder, smtp.running_sink(folder) as sink, delayed(sink.port) as port,
        postroom.running(plan, folder) as ours,
    ):
        ours.add_server(port, connections=1)
        clients: dict[str, Callable[[int], None]] = {} if plan.cpu_only else _peers(part, port)
        for number in range(plan.rounds):
            for name, send in clients.items():
                part.add(name, _trips(sink, plan.of(MESSAGES, 8), send), UNIT)
            ours.pause()
            ours.fill([traffic.body(n, str(number)) for n in range(plan.of(MESSAGES, 8))])
            part.add("Postroom", _trips(sink, plan.of(MESSAGES, 8), lambda _: ours.resume()), UNIT)
            ours.quiet()
    part.goals.append(Goal("a message on a warm connection", 1.1, part.rows["Postroom"], at_most=True))
    assert part.goals[0].verdict is not Verdict.NOT_MEASURED
    return part


@contextlib.contextmanager
def delayed(target: int) -> Iterator[int]:
    """The port of a proxy that leads to `target` by a line of `ROUND_TRIP_S`."""
    arguments = [sys.executable, "-m", "bench.delay_proxy", str(target), str(ROUND_TRIP_S * 500)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_root()) as proxy:
        assert proxy.stdin is not None
        assert proxy.stdout is not None
        try:
            yield int(proxy.stdout.readline())
        finally:
            proxy.stdin.close()


def _trips(sink: smtp.Sink, messages: int, send: Callable[[int], None]) -> float:
    """From the first arrival to the last, so that opening the connection does not count."""
    since = sink.messages
    send(messages)
    arrived = sink.arrivals(since, messages, WITHIN_S)
    return (arrived.last_s - arrived.first_s) / (messages - 1) / ROUND_TRIP_S


def _peers(part: Part, port: int) -> dict[str, Callable[[int], None]]:
    def python(library: str) -> Callable[[int], None]:
        return lambda messages: _started(
            [sys.executable, "-m", "bench.peers.clients", library, str(port), str(messages)]
        )

    clients = {"smtplib": python("smtplib"), "aiosmtplib": python("aiosmtplib")}
    node, text = shutil.which("node"), str(traffic.body(0, "client")["text"])
    if node and Path(MODULES, "nodemailer").is_dir():
        clients["nodemailer"] = lambda messages: _started([node, "-e", NODEMAILER, str(port), str(messages), text])
    else:
        part.remarks.append("nodemailer is not installed (Debian: node-nodemailer).")
    return clients


_running: list["subprocess.Popen[bytes]"] = []


def _started(arguments: list[str]) -> None:
    """Begin; the one before has ended, for all it sent has arrived."""
    for ended in _running:
        ended.wait(WITHIN_S)
    environment = {**os.environ, "NODE_PATH": MODULES}
    _running[:] = [subprocess.Popen(arguments, env=environment, cwd=_root())]


def _root() -> Path:
    return Path(__file__).parents[2]
