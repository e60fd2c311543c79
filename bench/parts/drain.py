"""(c2) A full queue is drained, against smtp-source to smtp-sink right before it."""

import time

from bench import postroom, smtp, traffic
from bench.figures import Goal, Part
from bench.plan import Plan

MESSAGES = 20_000
BASE, DRAIN = "smtp-source to smtp-sink", "Postroom drains"
WITHIN_S = 300.0


def run(plan: Plan) -> Part:
    part = Part("c2", f"A full queue of {plan.of(MESSAGES):,} messages is drained")
    with plan.folder() as folder, smtp.running_sink(folder) as sink, postroom.running(plan, folder) as ours:
        ours.add_server(sink.port)
        for number in range(plan.rounds):
            _round(plan, part, sink, ours, str(number))
    reached = part.ratio("Postroom of the baseline", DRAIN, BASE)
    if not plan.cpu_only:
        part.goals.append(Goal("drained at the baseline's rate times", 0.67, reached))
    return part


def _round(plan: Plan, part: Part, sink: smtp.Sink, ours: postroom.Postroom, name: str) -> None:
    messages = plan.of(MESSAGES)
    ours.pause()
    ours.fill([traffic.body(n, name) for n in range(messages)])
    ours.quiet()
    if not plan.cpu_only:
        part.add(BASE, baseline(sink, messages), " msg/s")
    since, before = sink.messages, ours.cpu_s()
    ours.resume()
    arrivals = sink.arrivals(since, messages, WITHIN_S)
    if not plan.cpu_only:
        part.add(DRAIN, arrivals.per_second, " msg/s")
    ours.quiet()
    part.add_all("CPU a message, Postroom", postroom.spent_us(before, ours.cpu_s(), messages), " µs")


def baseline(sink: smtp.Sink, messages: int, size_bytes: int = traffic.SIZE_BYTES) -> float:
    """Messages a second that smtp-source brings to the sink over ten kept connections."""
    since = sink.messages
    source = smtp.send(sink.port, messages, size_bytes=size_bytes, sessions=10)
    arrivals = sink.arrivals(since, messages, WITHIN_S)
    smtp.ended(source, WITHIN_S)
    time.sleep(0.2)
    return arrivals.per_second
