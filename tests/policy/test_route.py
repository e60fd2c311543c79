"""Which server takes a message."""

from dataclasses import replace

from postroom.policy.route import Candidate, route

FIRST = Candidate("first", is_default=False, is_sandbox=False, position=1, takes_deliveries=True)
SECOND = replace(FIRST, id="second", position=2)
DEFAULT = replace(FIRST, id="default", position=9, is_default=True)
SANDBOX = replace(FIRST, id="sandbox", position=0, is_sandbox=True)


def chosen(*servers: Candidate, wanted: str | None = None) -> str | None:
    found = route(servers, wanted=wanted)
    return found.id if found else None


def test_the_default_comes_first_then_the_position_decides() -> None:
    assert chosen(SECOND, SANDBOX, FIRST, DEFAULT) == "default"
    assert chosen(SECOND, SANDBOX, FIRST) == "first"
    assert chosen(SECOND, FIRST, replace(DEFAULT, takes_deliveries=False)) == "first"


def test_the_sandbox_serves_only_while_it_is_alone_or_the_default() -> None:
    assert chosen(SANDBOX) == "sandbox"
    assert chosen(FIRST, replace(SANDBOX, is_default=True)) == "sandbox"
    assert chosen(SANDBOX, replace(FIRST, takes_deliveries=False)) is None


def test_a_named_server_is_used_whatever_its_state_and_no_other() -> None:
    assert chosen(DEFAULT, replace(FIRST, takes_deliveries=False), wanted="first") == "first"
    assert chosen(DEFAULT, wanted="unknown") is None


def test_without_a_usable_server_the_message_waits() -> None:
    assert chosen() is None
    assert chosen(replace(DEFAULT, takes_deliveries=False)) is None
