"""Which rules does some case need? `python -m tests.diagnosis.ablation` removes each rule in turn.

Every evidence that a finding was asked for while the tests ran (and every settled thread) is held against the rules
without the one: when no finding changes, nothing shows that the rule is needed.
"""

import statistics
import sys
from collections import Counter
from collections.abc import Iterable

import pytest
from tests.diagnosis.threads import thread_cases

from postroom.diagnosis import explain
from postroom.diagnosis.catalogue import Rule, catalogue
from postroom.diagnosis.evidence import Evidence
from postroom.diagnosis.matching import fits, fitting_rule

SUITES = ("tests/diagnosis", "tests/flow/probes/test_probe.py", "tests/faults")


class Recorder:
    """Keeps what `explain` asks the rules about."""

    def __init__(self) -> None:
        self.seen: list[Evidence] = []

    def fitting_rule(self, rules: Iterable[Rule], evidence: Evidence) -> Rule | None:
        self.seen.append(evidence)
        return fitting_rule(rules, evidence)


def evidence_of_cases(suites: Iterable[str] = SUITES) -> list[Evidence]:
    """Every evidence of the tests and of the settled threads; property tests do not count, they show no cause."""
    recorder = Recorder()
    original, explain.fitting_rule = explain.fitting_rule, recorder.fitting_rule
    try:
        pytest.main(["-q", "-p", "no:cacheprovider", "--no-header", "-k", "not arbitrary and not unrelated", *suites])
        for case in thread_cases():
            case.finding()
    finally:
        explain.fitting_rule = original
    return recorder.seen


def uses(rules: tuple[Rule, ...], seen: Iterable[Evidence]) -> Counter[int]:
    """How many different evidences each rule decides otherwise than the rules would without it."""
    counted: Counter[int] = Counter()
    for evidence in {repr(e): e for e in seen}.values():
        first = next((n for n, rule in enumerate(rules) if fits(rule, evidence)), None)
        if first is None:
            continue
        second = fitting_rule(rules[first + 1 :], evidence)
        if second is None or _said(second) != _said(rules[first]):
            counted[first] += 1
    return counted


def _said(rule: Rule) -> tuple[object, ...]:
    return rule.cause, rule.variant, rule.retry, rule.alternative, rule.confidence


def main() -> int:
    rules = catalogue().rules
    used = uses(rules, evidence_of_cases())
    for number, rule in enumerate(rules):
        if not used[number]:
            print(f"nothing needs rule {number}: {rule.cause} {_conditions(rule)}")
    counts = [used[number] for number in range(len(rules))]
    print(f"{len(rules)} rules, {counts.count(0)} not needed, {statistics.median(counts)} cases each at the median")
    return 1 if 0 in counts else 0


def _conditions(rule: Rule) -> str:
    named = {
        name: sorted(map(str, value)) for name in ("symptom", "symptoms", "stage", "code", "enhanced", "provider")
        if (value := getattr(rule, name))
    }
    return f"{named} {' | '.join(rule.text.sources)[:80]}"


if __name__ == "__main__":
    sys.exit(main())
