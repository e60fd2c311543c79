"""What is held against a server that offers PIPELINING or CHUNKING, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest

from postroom.policy.manners import (
    FORGET_AFTER,
    Breach,
    Manners,
    Pipelining,
    answers_another_command,
    is_out_of_order,
    knows_no_chunks,
)
from postroom.terms.reply import Reply

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_a_server_that_kept_its_word_once_is_not_suspected_again() -> None:
    manners = Manners()
    manners.kept(Pipelining.MESSAGES)
    manners.broke(Pipelining.MESSAGES, Breach.REFUSED, "503 what")
    assert (manners.pipelining, manners.changed) == (Pipelining.MESSAGES, False)


@pytest.mark.parametrize(
    ("used", "left"), [(Pipelining.MESSAGES, Pipelining.ENVELOPE), (Pipelining.ENVELOPE, Pipelining.NONE)]
)
def test_what_a_server_does_not_bear_leaves_the_plainer_way(used: Pipelining, left: Pipelining) -> None:
    manners = Manners()
    manners.broke(used, Breach.UNANSWERED, "no reply")
    assert (manners.pipelining, manners.changed, manners.bears_all) == (left, True, False)
    manners.broke(Pipelining.MESSAGES, Breach.REFUSED, "again")
    assert manners.pipelining is left, "it never becomes less plain by a failure"


def test_a_server_may_hang_up_once_for_reasons_of_its_own() -> None:
    manners = Manners()
    manners.hung_up(Pipelining.MESSAGES, "connection closed")
    assert manners.bears_all
    manners.hung_up(Pipelining.MESSAGES, "connection closed")
    assert manners.pipelining is Pipelining.ENVELOPE


@pytest.mark.parametrize(
    ("key", "age", "bears_all"),
    [
        ("same", timedelta(0), False),
        ("same", FORGET_AFTER, False),
        ("same", FORGET_AFTER + timedelta(seconds=1), True),
        ("other", timedelta(0), True),
    ],
)
def test_what_is_known_holds_for_the_same_settings_and_for_a_time(key: str, age: timedelta, bears_all: bool) -> None:
    manners = Manners()
    manners.refused_chunks(Reply(500, ("unknown",)))
    manners.broke(Pipelining.MESSAGES, Breach.MIXED, "250 2.1.0 sender ok\x1b[31m")
    again = Manners.from_json(manners.as_json(NOW - age, "same"), NOW, key)
    assert again.bears_all is bears_all
    if not bears_all:
        assert (again.pipelining, again.chunking, again.reason) == (manners.pipelining, False, manners.reason)
        assert again.reason.isprintable()
        assert not again.changed
    assert Manners.from_json(None, NOW, key).bears_all


@pytest.mark.parametrize(
    ("reply", "is_out"),
    [
        (Reply(503, ("5.5.1 nested MAIL",)), True),
        (Reply(500, ("unknown",)), True),
        (Reply(554, ("SMTP synchronization error",)), True),
        (Reply(421, ("4.7.0 improper command pipelining",)), True),
        (Reply(550, ("5.7.1 not you",)), False),
        (Reply(250, ("pipelining ok",)), False),
        (Reply(451, ("4.7.1 greylisted",)), False),
    ],
)
def test_only_a_reply_about_order_tells_that_commands_came_too_early(reply: Reply, is_out: bool) -> None:
    assert is_out_of_order(reply) is is_out


def test_a_disliked_content_is_no_unknown_bdat() -> None:
    assert knows_no_chunks(Reply(502, ("what",)))
    assert not knows_no_chunks(Reply(552, ("5.3.4 too large",)))
    assert not knows_no_chunks(Reply(451, ("later",)))


def test_the_reply_about_a_sender_is_none_to_a_content() -> None:
    assert answers_another_command(Reply(250, ("2.1.0 Sender ok",)))
    assert not answers_another_command(Reply(250, ("2.0.0 queued",)))
    assert not answers_another_command(Reply(250, ("ok",)))
