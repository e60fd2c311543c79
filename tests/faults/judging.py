"""A judge of diagnoses: was the cause named, in whose words, how fast, and did anything leak?"""

import asyncio
import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from unittest.mock import patch

from tests.canaries import forms_in
from tests.dialogs.player import Playing

from postroom.flow.delivery.closer_look import LOOK_S
from postroom.flow.probes.probe import ProbeReport, probe
from postroom.terms import limits
from postroom.terms.finding import UNKNOWN, Confidence, Finding
from postroom.terms.outcome import TestStatus

from .case import Case
from .certificates import Certificates
from .serving import named, served, zone_of

# Shorter than for a person who waits, so that silence does not hold up the suite: nobody is slow on loopback.
CONNECT_S, GREETING_S, SESSION_S = 2.0, 2.0, 4.0
AT_ONCE = 16


@dataclass(frozen=True)
class Verdict:
    """What one case came to. `faults` are the reasons why it failed; `misleads`: a wrong cause is stated as certain."""

    case: Case
    finding: Finding | None
    passed: bool
    seconds: float
    misleads: bool = False
    leaks: tuple[str, ...] = ()
    unsafe: bool = False
    faults: tuple[str, ...] = field(default=())
    report: ProbeReport = field(default_factory=ProbeReport, repr=False)

    @property
    def is_right(self) -> bool:
        return not self.faults


def own_words(finding: Finding) -> str:
    """What a person reads, without the server's words."""
    others = [f"{other.title} {other.question}" for other in finding.alternatives]
    return " ".join((finding.title, finding.explanation, *finding.fix, *others)).lower()


def verdict_of(case: Case, report: ProbeReport, server: Playing) -> Verdict:
    """The report of a case, judged."""
    finding, faults = report.finding, []
    passed = report.status is TestStatus.PASSED
    if passed is not case.is_healthy:
        faults.append("passed as a success" if passed else "a healthy server failed")
    named = finding.cause if finding else ""
    misleads = bool(
        finding and named not in (*case.causes, UNKNOWN) and finding.confidence is Confidence.CERTAIN
    )
    if finding and case.causes:
        if named not in case.causes:
            faults.append(f"names {named}")
        words = own_words(finding)
        faults += [f"lacks {'|'.join(group)}" for group in case.says if not any(word in words for word in group)]
        faults += [f"says {word}" for word in case.never if word in words]
        if case.value("retry", finding.retry) != finding.retry:
            faults.append(f"retry {finding.retry}")
    told = [finding.as_json() if finding else {}, report.stages, report.facts, report.transcript]
    shown = json.dumps(told) + repr(report)
    leaks = tuple(forms_in(case.password, shown)) if case.password else ()
    unsafe = _was_unsafe(case, server)
    faults += [f"leaks the password ({form})" for form in leaks] + ["sent the password unsafely"] * unsafe
    return Verdict(case, finding, passed, report.seconds, misleads, leaks, unsafe, tuple(faults), report)


def _was_unsafe(case: Case, server: Playing) -> bool:
    """The password arrived although TLS was asked for and not there, or not verified."""
    if not case.password or case.value("security", "none") == "none":
        return False
    lines = server.clear_lines if case.has_trusted_certificate else server.lines
    return bool(forms_in(case.password, "\n".join(lines)))


async def judged(chosen: Sequence[Case]) -> list[Verdict]:
    """The verdicts on cases, probed side by side in this process."""
    certificates, turns = Certificates(), asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> Verdict:
        async with turns, served(case, certificates) as server:
            settings = case.settings(server.port, certificates.pem)
            # Looks at other ports would find what happens to listen on the machine that runs the tests.
            report = await probe(
                settings, case.password, send=case.value("send") != "no", default_ehlo_name="client.example",
                timeout_s=SESSION_S + LOOK_S, ports={server.port},
            )
            return verdict_of(case, report, server)

    with (
        patch.object(limits, "TEST_CONNECT_TIMEOUT_S", CONNECT_S),
        patch.object(limits, "TEST_GREETING_TIMEOUT_S", GREETING_S),
    ):
        async with named(zone_of(chosen)):
            return await asyncio.gather(*map(one, chosen))


def table(verdicts: Iterable[Verdict]) -> str:
    """A line a case, and what they sum up to."""
    verdicts = list(verdicts)
    lines = [
        f"{'right' if v.is_right else 'WRONG'} {v.seconds:6.1f} s  {v.case.category:12} {v.case.name:38} "
        f"{v.finding.cause if v.finding else 'passed'}{'  <- ' + '; '.join(v.faults) if v.faults else ''}"
        for v in verdicts
    ]
    faulty, healthy = [v for v in verdicts if v.case.causes], [v for v in verdicts if v.case.is_healthy]
    well, times = [v for v in healthy if v.is_right], [v.seconds for v in verdicts]
    return "\n".join([
        *lines, "",
        f"cause named {sum(v.is_right for v in faulty)}/{len(faulty)}, misleading {sum(v.misleads for v in verdicts)}, "
        f"passed as a success {sum(v.passed for v in faulty)}, healthy {len(well)}/{len(healthy)}, "
        f"leaks {sum(bool(v.leaks) for v in verdicts)}, unsafe {sum(v.unsafe for v in verdicts)}, "
        f"median {statistics.median(times):.1f} s, worst {max(times):.1f} s",
    ])
