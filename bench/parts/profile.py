"""(profile) Where the processor time of each process goes, by function; slower than life, but true in proportion."""

import marshal
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import http_load, postroom, smtp, traffic
from bench.figures import Part
from bench.parts.single import requests_of
from bench.plan import Plan

MESSAGES = 5_000
LINES = 25
WARMING = 100
HOOKS = Path(__file__).parents[1] / "profiling"
Place = tuple[str, int, str]


@dataclass(slots=True)
class Spent:
    """Calls of one function, and seconds within it, alone and with what it calls."""

    calls: int = 0
    own_s: float = 0.0
    all_s: float = 0.0


def run(plan: Plan) -> Part:
    messages = plan.of(MESSAGES)
    part = Part("profile", f"Processor time by function, µs a message ({messages:,} messages)")
    with plan.folder() as folder, smtp.running_sink(folder) as sink:
        asked = folder / "profiles"
        asked.mkdir(mode=0o777)
        path = os.pathsep.join([str(HOOKS), os.environ.get("PYTHONPATH", "")])
        hooked = {"PYTHONPATH": path, "BENCH_PROFILE": str(asked)}
        with postroom.running(plan, folder, submission=plan.submission, **hooked) as ours:
            ours.add_server(sink.port)
            part.remarks += _drained(ours, sink, asked, messages)
            part.remarks += _posted(ours, asked, messages)
            if plan.submission:
                part.remarks += _submitted(ours, sink, asked, messages)
    return part


def _drained(ours: postroom.Postroom, sink: smtp.Sink, asked: Path, messages: int) -> Iterator[str]:
    ours.pause()
    ours.fill([traffic.body(n, "profile") for n in range(messages)])
    ours.quiet()
    _ask(asked, "drain-before", ["engine"])
    since = sink.messages
    ours.resume()
    sink.arrivals(since, messages, 300)
    ours.quiet()
    _ask(asked, "drain-after", ["engine"])
    yield from _told("engine, draining a full queue", asked, "engine", "drain", messages)


def _posted(ours: postroom.Postroom, asked: Path, messages: int) -> Iterator[str]:
    ours.pause()
    requests = requests_of(ours, "profile")
    http_load.load(ours.port, (next(requests) for _ in range(WARMING)), 16)  # imports what only it needs
    ours.quiet()
    _ask(asked, "post-before", ["web"])
    http_load.load(ours.port, (next(requests) for _ in range(messages)), 16)
    _ask(asked, "post-after", ["web"])
    yield from _told("web, one message a request over 16 connections", asked, "web", "post", messages)


def _submitted(ours: postroom.Postroom, sink: smtp.Sink, asked: Path, messages: int) -> Iterator[str]:
    since = sink.messages
    ours.resume()
    sink.arrivals(since, messages + WARMING, 300)
    smtp.ended(smtp.send(ours.submission_port, WARMING, size_bytes=traffic.SIZE_BYTES, sessions=20), 60)
    ours.quiet()
    _ask(asked, "smtp-before", ["submission", "engine"])
    since = sink.messages
    source = smtp.send(ours.submission_port, messages, size_bytes=traffic.SIZE_BYTES, sessions=20)
    sink.arrivals(since, messages, 300)
    smtp.ended(source, 300)
    ours.quiet()
    _ask(asked, "smtp-after", ["submission", "engine"])
    for role in ("submission", "engine"):
        yield from _told(f"{role}, relaying from 20 sessions", asked, role, "smtp", messages)


def _ask(asked: Path, label: str, roles: list[str]) -> None:
    (asked / f"ask-{label}").touch()
    deadline = time.monotonic() + 30
    while not all((asked / f"{role}.{label}.done").exists() for role in roles):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{roles} wrote no profile")
        time.sleep(0.05)


def _told(title: str, asked: Path, role: str, label: str, messages: int) -> Iterator[str]:
    spent = _between(_read(asked, role, f"{label}-before"), _read(asked, role, f"{label}-after"))
    total_us = sum(each.own_s for each in spent.values()) * 1e6 / messages
    yield ""
    yield f"{title}: {total_us:,.0f} µs a message, profiled; the {LINES} functions that compute most themselves"
    yield from _table(sorted(spent.items(), key=lambda item: -item[1].own_s)[:LINES], messages)
    ours = [item for item in spent.items() if "postroom" in item[0][0]]
    yield f"{title}: Postroom's own functions, with all that they call"
    yield from _table(sorted(ours, key=lambda item: -item[1].all_s)[:LINES], messages)


def _table(items: list[tuple[Place, Spent]], messages: int) -> Iterator[str]:
    yield "     own µs   with calls   calls   function"
    for (path, line, name), spent in items:
        own_us, all_us = spent.own_s * 1e6 / messages, spent.all_s * 1e6 / messages
        where = f"{'/'.join(Path(path).parts[-2:])}:{line} {name}" if line else name
        yield f"   {own_us:8.1f}   {all_us:10.1f}   {spent.calls / messages:5.2f}   {where}"


def _read(asked: Path, role: str, label: str) -> dict[Place, Spent]:
    """The profiles of all threads together."""
    found: dict[Place, Spent] = defaultdict(Spent)
    for path in asked.glob(f"{role}.{label}.[0-9]*"):
        for place, (_, calls, own_s, all_s, _callers) in marshal.loads(path.read_bytes()).items():
            spent = found[place]
            spent.calls, spent.own_s, spent.all_s = spent.calls + calls, spent.own_s + own_s, spent.all_s + all_s
    return found


def _between(before: dict[Place, Spent], after: dict[Place, Spent]) -> dict[Place, Spent]:
    nothing = Spent()
    return {
        place: Spent(s.calls - b.calls, s.own_s - b.own_s, s.all_s - b.all_s)
        for place, s in after.items()
        if (b := before.get(place, nothing)).own_s <= s.own_s
    }
