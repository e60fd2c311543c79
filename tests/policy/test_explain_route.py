"""What is told of a message's way is what the deciding functions do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroom.policy.explain_route import Prospect, Route, RouteServer, StepKind, explained
from postroom.policy.failover import Standing
from postroom.policy.rules import Rule, Verdict
from postroom.terms.outcome import DeliveryState
from postroom.terms.server import Limits

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def server(name: str, position: int = 0, **values: Any) -> RouteServer:
    standing = Standing(name, name, position == 0, False, position, not values.get("idle"), is_failing=False)
    return RouteServer(standing, **values)


RELAY, CLOUD = server("Relay"), server("Cloud", 1)


def route(**values: Any) -> Route:
    return explained(Prospect(**{"now": NOW, "purpose": "notification", "server": RELAY, "servers": (RELAY, CLOUD),
                                 **values}))


def texts(found: Route, kind: StepKind) -> list[str]:
    return [str(step.text) for step in found.steps if step.kind is kind]


def test_without_rules_the_default_takes_it_at_once_and_the_next_takes_over() -> None:
    found = route()
    assert texts(found, StepKind.SERVER) == ["No rule decides: the default server Relay takes it."]
    assert texts(found, StepKind.FAILOVER) == ["If Relay fails as a whole, Cloud takes over."]
    assert found.attempts_at[:3] == (NOW, NOW + timedelta(minutes=1), NOW + timedelta(minutes=3))
    assert found.expires_at == NOW + timedelta(days=2)
    assert texts(found, StepKind.HELD) == []


def test_each_rule_says_why_it_decides_or_does_not() -> None:
    verdicts = [
        (Rule("1", "cloud", name="Alerts"), Verdict.OTHER_PURPOSE), (Rule("2", "relay"), Verdict.DECIDES),
        (Rule("3", "cloud"), Verdict.NOT_REACHED),
    ]
    assert texts(route(verdicts=verdicts), StepKind.RULE) == [
        "Alerts does not decide: the purpose is another.", "Rule 2 fits: Relay takes it.",
        "Rule 3 does not decide: a rule above decides.",
    ]


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.DECIDES])
def test_every_verdict_has_words(verdict: Verdict) -> None:
    (text,) = texts(route(verdicts=[(Rule("1", None), verdict)]), StepKind.RULE)
    assert text.startswith("Rule 1 does not decide: ")


def test_a_default_that_takes_nothing_is_named_with_its_reason() -> None:
    paused = server("Relay", idle="paused")
    found = route(server=CLOUD, servers=(paused, CLOUD))
    assert texts(found, StepKind.SERVER) == [
        "The default server Relay is paused.", "Cloud is the next in the order: it takes it."
    ]
    assert texts(found, StepKind.FAILOVER) == ["If Cloud fails, it waits: no other server is well."]


def test_a_server_that_the_client_names_is_the_only_one() -> None:
    found = route(is_named=True)
    assert texts(found, StepKind.SERVER) == [
        "The client names the server Relay: no rule is asked, and no other server carries it."
    ]
    assert texts(found, StepKind.FAILOVER) == ["No other server may carry it: it waits while Relay fails."]


def test_what_holds_it_is_told_with_its_end_and_moves_the_next_try() -> None:
    until = NOW + timedelta(minutes=7)
    held = replace(RELAY, limits=Limits(messages_per_minute=30), held_by="messages_per_minute", held_until=until)
    found = route(server=held, servers=(held, CLOUD))
    words = "The limit of 30 messages a minute, spread evenly: the next one waits for its moment."
    assert texts(found, StepKind.HELD) == [words]
    assert found.attempts_at[0] == until


def test_what_waits_before_it_takes_its_time_at_the_servers_rate() -> None:
    busy = replace(RELAY, limits=Limits(messages_per_minute=60), ahead=120)
    assert route(server=busy).attempts_at[0] == NOW + timedelta(minutes=2)


def test_a_paused_server_without_an_end_lets_nothing_leave() -> None:
    found = route(server=server("Relay", idle="paused"), is_named=True)
    assert texts(found, StepKind.HELD) == ["Relay is paused: it waits."]
    assert found.attempts_at == ()


def test_an_accepted_one_waits_for_its_next_try_and_gives_up_at_its_end() -> None:
    due, end = NOW + timedelta(minutes=4), NOW + timedelta(hours=1)
    found = route(state=DeliveryState.DEFERRED, due_at=due, expires_at=end, attempts=3)
    assert texts(found, StepKind.SERVER) == ["It is with Relay."]
    assert texts(found, StepKind.ATTEMPT) == ["Try 4."]
    assert (found.attempts_at[0], found.steps[-1].at) == (due, end)
    assert all(at < end for at in found.attempts_at)


@pytest.mark.parametrize("state", [s for s in DeliveryState if s.value in ("sent", "failed", "held", "cancelled")])
def test_of_one_that_is_over_nothing_more_is_told(state: DeliveryState) -> None:
    found = route(state=state)
    assert found.attempts_at == ()
    assert found.steps[-1].kind is StepKind.OVER
    assert texts(found, StepKind.EXPIRY) == []


def test_suppressed_recipients_too_large_content_and_a_slowed_server_are_told() -> None:
    slow = replace(RELAY, limits=Limits(size_bytes=10), rate=12.4)
    found = route(server=slow, suppressed=("ann@example.org",), size_bytes=11)
    assert texts(found, StepKind.SUPPRESSED) == ["ann@example.org is suppressed: its delivery ends as failed, untried."]
    assert texts(found, StepKind.HELD) == [
        "It is larger than the 10 bytes that Relay takes: it fails.",
        "Relay asked to be given less: 12 messages a minute at most for now.",
    ]
    assert found.attempts_at == ()


def test_without_any_server_it_is_not_accepted() -> None:
    found = route(server=None, servers=())
    assert texts(found, StepKind.SERVER) == ["No SMTP server is switched on, so it is not accepted."]
    assert found.attempts_at == ()
