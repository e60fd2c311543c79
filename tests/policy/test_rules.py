"""Which rule decides about a message."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.policy.rules import Rule, Traits, Verdict, decided, verdict_of, verdicts

TRAITS = Traits(
    purpose="report", sender="Reports@Norrvik.example", recipient_domains=frozenset({"example.org", "a.example.com"}),
    client="token-1", tags=frozenset({"monthly", "sales"}),
)
USABLE = {"relay", "cloud"}


def rule(**values: Any) -> Rule:
    return Rule(id="r", server_id="relay", **values)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({}, Verdict.DECIDES),
        ({"purposes": frozenset({"alert", "report"})}, Verdict.DECIDES),
        ({"purposes": frozenset({"alert"})}, Verdict.OTHER_PURPOSE),
        ({"senders": ("reports@norrvik.example",)}, Verdict.DECIDES),
        ({"senders": ("norrvik.example",)}, Verdict.DECIDES),
        ({"senders": ("*.norrvik.example", "other@norrvik.example")}, Verdict.OTHER_SENDER),
        ({"recipient_domains": ("example.org", "*.example.com")}, Verdict.DECIDES),
        ({"recipient_domains": ("example.org",)}, Verdict.OTHER_RECIPIENTS),
        ({"recipient_domains": ("*.example.org", "*.example.com")}, Verdict.OTHER_RECIPIENTS),
        ({"clients": frozenset({"token-1", "token-2"})}, Verdict.DECIDES),
        ({"clients": frozenset({"token-2"})}, Verdict.OTHER_CLIENT),
        ({"tags": frozenset({"sales"})}, Verdict.DECIDES),
        ({"tags": frozenset({"hr"})}, Verdict.OTHER_TAGS),
        ({"min_attempts": 1}, Verdict.TOO_EARLY),
        ({"enabled": False}, Verdict.OFF),
    ],
)
def test_each_condition_is_met_by_one_of_its_values_and_by_all_recipients(
    values: dict[str, Any], verdict: Verdict
) -> None:
    assert verdict_of(rule(**values), TRAITS, USABLE) is verdict


def test_a_rule_whose_server_is_gone_or_takes_nothing_is_passed_over_unless_it_insists() -> None:
    gone = Rule("gone", None)
    idle = Rule("idle", "paused")
    strict = Rule("strict", "paused", only=True)
    assert [verdict_of(r, TRAITS, USABLE) for r in (gone, idle, strict)] == [
        Verdict.SERVER_GONE, Verdict.SERVER_IDLE, Verdict.DECIDES
    ]


def test_the_first_rule_that_fits_decides_and_the_rest_is_not_reached() -> None:
    rules = [Rule("1", "cloud", enabled=False), Rule("2", "relay"), Rule("3", "cloud")]
    assert [verdict for _, verdict in verdicts(rules, TRAITS, USABLE)] == [
        Verdict.OFF, Verdict.DECIDES, Verdict.NOT_REACHED
    ]
    assert decided(rules, TRAITS, USABLE) == rules[1]
    assert decided(rules[:1], TRAITS, USABLE) is None


def test_a_message_without_a_from_of_its_client_meets_no_condition_on_it() -> None:
    assert verdict_of(rule(senders=("norrvik.example",)), Traits(), USABLE) is Verdict.OTHER_SENDER
    assert verdict_of(rule(recipient_domains=("example.org",)), Traits(), USABLE) is Verdict.OTHER_RECIPIENTS


def test_a_rule_for_later_attempts_decides_from_that_number_on() -> None:
    later = rule(min_attempts=3)
    assert [verdict_of(later, Traits(attempts=n), USABLE) is Verdict.DECIDES for n in (2, 3, 4)] == [False, True, True]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([None, "relay", "paused"]), st.booleans()), max_size=12))
def test_what_is_explained_is_what_is_decided(given_rules: list[tuple[bool, str | None, bool]]) -> None:
    rules = [Rule(str(n), server, enabled=on, only=only) for n, (on, server, only) in enumerate(given_rules)]
    told = [r for r, verdict in verdicts(rules, TRAITS, USABLE) if verdict is Verdict.DECIDES]
    assert told == ([found] if (found := decided(rules, TRAITS, USABLE)) else [])
