"""(e) Attachments of 5 MB: relayed against Postfix, drained against smtp-source, in memory, and stored once."""

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import http_load, postroom, smtp, traffic
from bench.figures import Goal, Part, Series
from bench.memory import Peak
from bench.parts.drain import baseline
from bench.parts.relay import passed_on, relays
from bench.plan import Plan

MESSAGES, SESSIONS = 200, 10
SIZE_BYTES = 5_000_000
READERS = 1_000
WITHIN_S = 600.0
BASE, DRAIN = "smtp-source to smtp-sink", "Postroom drains"


def run(plan: Plan) -> Part:
    messages = plan.of(MESSAGES, 4)
    part = Part("e", f"{messages:,} messages of 5 MB, {SESSIONS} sessions")
    with plan.folder() as folder, smtp.running_sink(folder) as sink, relays(plan, part, folder, sink) as found:
        for _ in range(plan.rounds):
            for relay in found:
                passed_on(part, relay, sink, messages, size_bytes=SIZE_BYTES, sessions=SESSIONS)
    with plan.folder() as folder, smtp.running_sink(folder) as sink, postroom.running(plan, folder) as ours:
        ours.add_server(sink.port)
        for number in range(plan.rounds):
            _drained(plan, part, sink, ours, f"round {number}")
        _stored_once(plan, part, ours)
    if not plan.cpu_only:
        faster = part.ratio("Postroom : Postfix, end to end", "Postroom end to end", "Postfix end to end")
        part.goals.append(Goal("end to end of Postfix's times", 1.5, faster))
        drained = part.ratio("drain : baseline", DRAIN, BASE)
        part.goals.append(Goal("drained at the baseline's rate times", 0.85, drained))
    grown = part.rows.get("memory above that at rest, all processes", Series(" MiB"))
    part.goals.append(Goal(f"memory with {messages:,} × 5 MB queued and drained", 150, grown, at_most=True))
    stored = part.rows.get("one report for many, stored", Series(" MB"))
    part.goals.append(Goal(f"one report of 5 MB to {plan.of(READERS):,}, stored", 15, stored, at_most=True))
    return part


def _drained(plan: Plan, part: Part, sink: smtp.Sink, ours: postroom.Postroom, name: str) -> None:
    """Handed over through the API, each with another attachment, while nothing leaves; then all leave."""
    messages = plan.of(MESSAGES, 4)
    ours.pause()
    ours.quiet()
    at_rest = sum(ours.memory_mib().values())
    with Peak(ours.memory_mib) as peak:
        answers = http_load.load(ours.port, _with_attachment(ours, name, messages), 2)
        if answers.refused:
            raise RuntimeError(f"an attachment was answered {answers.refused[0]}")
        ours.quiet()
        if not plan.cpu_only:
            part.add(BASE, baseline(sink, messages, SIZE_BYTES), " msg/s")
        since, before = sink.messages, ours.cpu_s()
        ours.resume()
        arrived = sink.arrivals(since, messages, WITHIN_S)
        ours.quiet()
    if not plan.cpu_only:
        part.add("accepted through the API", messages / answers.seconds, " msg/s")
        part.add(DRAIN, arrived.per_second, " msg/s")
    part.add_all("CPU a message, draining,", postroom.spent_us(before, ours.cpu_s(), messages), " µs")
    for role, mib in peak.mib.items():
        part.add(f"most memory, {role}", mib, " MiB")
    part.add("most memory, all processes", peak.all_mib, " MiB")
    part.add("memory above that at rest, all processes", max(peak.all_mib - at_rest, 0.0), " MiB")


def _with_attachment(ours: postroom.Postroom, name: str, messages: int) -> Iterator[bytes]:
    for number in range(messages):
        octets = random.Random(f"{name} {number}").randbytes(SIZE_BYTES * 3 // 4)  # 5 MB in base64
        file = {
            "filename": "figures.bin", "content_type": "application/octet-stream",
            "content_base64": base64.b64encode(octets).decode(),
        }
        yield ours.request("messages", {**traffic.body(number, name), "attachments": [file]})


def _stored_once(plan: Plan, part: Part, ours: postroom.Postroom) -> None:
    """A message for each reader, with the same report; what the disk holds more afterwards."""
    ours.pause()
    octets, readers = random.Random("report").randbytes(SIZE_BYTES * 3 // 4), plan.of(READERS)
    before = _bytes_on_disk(ours.data)
    blob = _uploaded(ours, octets)
    file = {"filename": "figures.bin", "content_type": "application/octet-stream", "blob": blob}
    bodies: list[dict[str, Any]] = [
        {"to": [f"reader{n}@example.org"], "subject": "Report", "text": f"For reader {n}.\n", "attachments": [file]}
        for n in range(readers)
    ]
    with Peak(ours.memory_mib) as peak:
        answers = ours.fill(bodies)
        ours.quiet()
    part.add("one report for many, accepted", readers / answers.seconds, " msg/s")
    part.add("one report for many, stored", (_bytes_on_disk(ours.data) - before) / 1e6, " MB")
    part.add("one report for many, most memory, web", peak.mib["web"], " MiB")
    ours.resume()


def _uploaded(ours: postroom.Postroom, octets: bytes) -> str:
    request = (
        f"POST /api/v1/blobs HTTP/1.1\r\nHost: 127.0.0.1:{ours.port}\r\nAuthorization: Bearer {ours.token}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(octets)}\r\n\r\n"
    ).encode() + octets
    bodies: list[bytes] = []
    answers = http_load.load(ours.port, iter([request]), 1, heard=bodies.append)
    if answers.refused:
        raise RuntimeError(f"an upload was answered {answers.refused[0]}")
    return str(json.loads(bodies[0])["id"])


def _bytes_on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
