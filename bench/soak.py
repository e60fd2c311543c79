"""`make soak`: Postroom at half load for 30 minutes; memory and descriptors of each process must not grow (B14).

First it is found out how many messages a second this machine takes and delivers; half as many are then handed over
without pause, through the API and over SMTP. The slope of each process is told for the time after the first fifth, in
which caches fill. Exit status 1 when something grows.
"""

import argparse
import itertools
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import http_load, postroom, processes, smtp, traffic
from .plan import Plan

PROBE_S = 8.0
CONNECTIONS = 8
WARMING = 0.2
SAMPLE_S = 1.0
# An hour's growth that is still called none, beyond the noise of a process that keeps some memory for later.
MIB_AN_HOUR = 20.0
DESCRIPTORS_AN_HOUR = 5.0


@dataclass(slots=True)
class Samples:
    """What one process held, second by second."""

    at_s: list[float] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)
    descriptors: list[float] = field(default_factory=list)

    def add(self, at_s: float, process_id: int) -> None:
        self.at_s.append(at_s)
        self.rss_mib.append(processes.rss_mib(process_id))
        self.descriptors.append(processes.descriptors(process_id))

    def after(self, begin_s: float) -> "Samples":
        place = next((n for n, at_s in enumerate(self.at_s) if at_s >= begin_s), 0)
        return Samples(self.at_s[place:], self.rss_mib[place:], self.descriptors[place:])


@dataclass(frozen=True, slots=True)
class Growth:
    """What a process grew by, as a line through its samples rises in an hour."""

    role: str
    rss_mib: float
    rss_an_hour: float
    descriptors: float
    descriptors_an_hour: float

    def __str__(self) -> str:
        return (
            f"{self.role:12} {self.rss_mib:7.1f} MiB, {self.rss_an_hour:+8.1f} MiB an hour;"
            f" {self.descriptors:5.0f} descriptors, {self.descriptors_an_hour:+6.1f} an hour"
        )


def an_hour(at_s: Sequence[float], values: Sequence[float]) -> float:
    """How much a straight line through the values (Theil and Sen's, which a few peaks don't bend) rises in an hour."""
    step = max(1, len(at_s) // 60)
    points = list(zip(at_s[::step], values[::step], strict=True))
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.combinations(points, 2) if b[0] > a[0]]
    return statistics.median(slopes) * 3_600 if slopes else 0.0


def growths(samples: dict[str, Samples], begin_s: float) -> list[Growth]:
    """What each process grew by after `begin_s`."""
    found = []
    for role, all_of_it in sorted(samples.items()):
        s = all_of_it.after(begin_s)
        found.append(Growth(
            role, statistics.median(s.rss_mib), an_hour(s.at_s, s.rss_mib), statistics.median(s.descriptors),
            an_hour(s.at_s, s.descriptors),
        ))
    return found


@dataclass(frozen=True, slots=True)
class Soaked:
    """What came of it: `rate` messages a second were handed over, `delivered` of `accepted` arrived."""

    rate: float
    accepted: int
    delivered: int
    growths: list[Growth]


def soaked(seconds: float, *, per_second: float | None = None) -> Soaked:
    """Run for so long at so many messages a second, else at half of what this machine can do."""
    plan = Plan()
    with plan.folder() as folder, smtp.running_sink(folder) as sink, postroom.running(
        plan, folder, submission=True
    ) as ours:
        ours.add_server(sink.port)
        rate = per_second or _capacity(ours, sink) / 2
        print(f"At {rate:,.0f} messages a second for {seconds:,.0f} s …", flush=True)
        since, samples = sink.messages, {role: Samples() for role in ours.run.children()}
        sampler = _Sampler(ours, samples, seconds)
        begun_s = time.monotonic()
        accepted = _handed_over(ours, rate, seconds)
        sampler.join()
        ours.quiet()
        return Soaked(rate, accepted, sink.messages - since, growths(samples, begun_s + seconds * WARMING))


class _Sampler(threading.Thread):
    def __init__(self, ours: postroom.Postroom, samples: dict[str, Samples], seconds: float) -> None:
        super().__init__(daemon=True)
        self._children, self._samples, self._seconds = ours.run.children(), samples, seconds
        self.start()

    def run(self) -> None:
        end_s = time.monotonic() + self._seconds
        while time.monotonic() < end_s:
            for role, samples in self._samples.items():
                samples.add(time.monotonic(), self._children[role])
            time.sleep(SAMPLE_S)


def _capacity(ours: postroom.Postroom, sink: smtp.Sink) -> float:
    """Messages a second from the API to the sink, while as many come as can."""
    since, begun_s = sink.messages, time.monotonic()
    answers = http_load.load(ours.port, _requests(ours, "probe"), CONNECTIONS, PROBE_S)
    sink.arrivals(since, len(answers.taken_s), 120)
    return len(answers.taken_s) / (time.monotonic() - begun_s)


def _handed_over(ours: postroom.Postroom, rate: float, seconds: float) -> int:
    """Every second its share, in turns through the API and over SMTP; how many were accepted."""
    requests, end_s, accepted, due = _requests(ours, "soak"), time.monotonic() + seconds, 0, 0.0
    over_smtp = False
    while time.monotonic() < end_s:
        turn_s = time.monotonic()
        due += rate
        messages, due = int(due), due % 1
        if messages:
            over_smtp = not over_smtp
            accepted += _one_turn(ours, requests, messages, over_smtp=over_smtp)
        time.sleep(max(0.0, turn_s + 1.0 - time.monotonic()))
    return accepted


def _one_turn(ours: postroom.Postroom, requests: Iterator[bytes], messages: int, *, over_smtp: bool) -> int:
    if over_smtp:
        source = smtp.send(ours.submission_port, messages, size_bytes=traffic.SIZE_BYTES, sessions=CONNECTIONS)
        smtp.ended(source, 60)
        return messages
    return len(http_load.load(ours.port, itertools.islice(requests, messages), CONNECTIONS).taken_s)


def _requests(ours: postroom.Postroom, name: str) -> Iterator[bytes]:
    for number in itertools.count():
        yield ours.request("messages", traffic.body(number, name), key=f"{name}-{number}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--per-second", type=float, help="messages a second (default: half of the most)")
    args = parser.parse_args()
    result = soaked(args.minutes * 60, per_second=args.per_second)
    print(f"{result.accepted:,} accepted, {result.delivered:,} delivered, {result.rate:,.0f} a second")
    grown = [g for g in result.growths if g.rss_an_hour > MIB_AN_HOUR or g.descriptors_an_hour > DESCRIPTORS_AN_HOUR]
    for growth in result.growths:
        print(f"  {growth}{'  GROWS' if growth in grown else ''}")
    return 1 if grown or result.delivered < result.accepted else 0


if __name__ == "__main__":
    assert Path("bench").is_dir(), "run it in the folder of the project"
    sys.exit(main())
