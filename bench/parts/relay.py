"""(a) smtp-source to a relay to smtp-sink, the relay being Postfix, tuned, and then Postroom's submission door."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import postroom, processes, smtp, traffic
from bench.figures import Goal, Part
from bench.plan import Plan
from bench.postfix import Postfix, running_postfix

MESSAGES, SESSIONS = 10_000, 20
WITHIN_S = 600.0
NO_DOOR = "submission-unsupported"


@dataclass(frozen=True, slots=True)
class Relay:
    """A relay's address, and how much its processes have computed so far."""

    name: str
    port: int
    cpu_s: Callable[[], dict[str, float]]
    quiet: Callable[[], None]


def run(plan: Plan) -> Part:
    messages = plan.of(MESSAGES)
    part = Part("a", f"smtp-source ({SESSIONS} kept sessions, {messages:,} × 5 KB) to a relay to smtp-sink")
    with plan.folder() as folder, smtp.running_sink(folder) as sink, relays(plan, part, folder, sink) as found:
        for _ in range(plan.rounds):
            for relay in found:
                passed_on(part, relay, sink, messages, size_bytes=traffic.SIZE_BYTES, sessions=SESSIONS)
    if plan.with_peers:
        faster = part.ratio("Postroom : Postfix, end to end", "Postroom end to end", "Postfix end to end")
        cheaper = part.ratio("Postroom : Postfix, CPU", "Postroom CPU a message, all", "Postfix CPU a message, all")
        part.goals.append(Goal("messages a second of Postfix's times", 6, faster))
        part.goals.append(Goal("CPU a message of Postfix's times", 1 / 8, cheaper, at_most=True))
    return part


@contextlib.contextmanager
def relays(plan: Plan, part: Part, folder: Path, sink: smtp.Sink) -> Iterator[list[Relay]]:
    """Postfix and Postroom; a remark of `part` tells which one could not run."""
    found: list[Relay] = []
    with contextlib.ExitStack() as stack:
        if plan.with_peers:
            found.append(_postfix(stack.enter_context(running_postfix(folder, sink.port))))
        try:
            ours = stack.enter_context(postroom.running(plan, folder, submission=True))
        except AssertionError as error:
            if NO_DOOR not in str(error):
                raise
            part.remarks.append("Postroom takes no mail over SMTP yet, so it is not measured.")
        else:
            ours.add_server(sink.port)
            found.append(Relay("Postroom", ours.submission_port, ours.cpu_s, ours.quiet))
        yield found


def passed_on(part: Part, relay: Relay, sink: smtp.Sink, messages: int, *, size_bytes: int, sessions: int) -> None:
    """One round: how fast the relay accepts, how fast everything has arrived, and what it computes for that."""
    since, before, begun_s = sink.messages, relay.cpu_s(), time.monotonic()
    source = smtp.send(relay.port, messages, size_bytes=size_bytes, sessions=sessions)
    try:
        arrived = sink.arrivals(since, messages, WITHIN_S)
    finally:
        accepted_s = smtp.ended(source, WITHIN_S)
    relay.quiet()
    part.add(f"{relay.name} accepts", messages / (accepted_s - begun_s), " msg/s")
    part.add(f"{relay.name} end to end", messages / (arrived.last_s - begun_s), " msg/s")
    part.add_all(f"{relay.name} CPU a message,", postroom.spent_us(before, relay.cpu_s(), messages), " µs")


def _postfix(postfix: Postfix) -> Relay:
    return Relay(
        "Postfix", postfix.port, lambda: {"Postfix": processes.cpu_s(postfix.pid)},
        lambda: processes.wait_until_quiet(postfix.pid),
    )
