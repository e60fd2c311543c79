"""The transaction as a table: which reply at which command means what for whom (P10, U1, U6)."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.smtp.client import Transaction, lacking_extension
from postroom.terms.envelope import Envelope
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply

PIPELINING: dict[str, tuple[str, ...]] = {"PIPELINING": ()}


def envelope(recipients: int = 1) -> Envelope:
    return Envelope("a@sender.example", tuple(f"r{i}@example.com" for i in range(recipients)), 10)


def run(transaction: Transaction, replies: list[int]) -> list[str]:
    """Feeds reply codes in the order of the commands; what is missing is a lost connection."""
    left = iter(replies)
    try:
        while not transaction.is_over:
            for _ in transaction.commands():
                pass
            while transaction.awaited is not None and not transaction.is_over:
                transaction.receive(Reply(next(left), ("text",)))
            if transaction.wants_content or transaction.wants_lone_dot:
                transaction.dotted()
            elif transaction.awaited is None and not transaction.commands():
                break
    except StopIteration:
        transaction.lose(transaction.awaited or Stage.MESSAGE, "connection closed")
    return [str(result.outcome) for result in transaction.results()]


@pytest.mark.parametrize("extensions", [{}, PIPELINING])
@pytest.mark.parametrize(
    ("replies", "outcomes"),
    [
        ([250, 250, 250, 354, 250], ["sent", "sent"]),
        ([250, 250, 450, 354, 250], ["sent", "deferred"]),
        ([250, 550, 250, 354, 250], ["failed", "sent"]),
        ([250, 250, 250, 354, 552], ["failed", "failed"]),
        ([250, 550, 250, 354, 451], ["failed", "deferred"]),
        ([250, 250, 550, 354], ["uncertain", "failed"]),
        ([250, 250, 250, 354], ["uncertain", "uncertain"]),
        ([250, 250, 250], ["deferred", "deferred"]),
        ([250, 250], ["deferred", "deferred"]),
        ([250, 550], ["failed", "deferred"]),
        ([250], ["deferred", "deferred"]),
        ([], ["deferred", "deferred"]),
        ([250, 250, 250, 554], ["failed", "failed"]),
        ([250, 450, 250, 554], ["deferred", "failed"]),
        ([250, 251, 252, 354, 250], ["sent", "sent"]),
        ([250, 250, 421], ["deferred", "deferred"]),
        ([250, 250, 250, 354, 421], ["deferred", "deferred"]),
        ([250, 250, 250, 354, 354], ["uncertain", "uncertain"]),
        ([250, 250, 250, 250], ["deferred", "deferred"]),
        ([354], ["deferred", "deferred"]),
        ([250, 354], ["deferred", "deferred"]),
    ],
)
def test_p10_u6_each_reply_has_its_scope(
    extensions: dict[str, tuple[str, ...]], replies: list[int], outcomes: list[str]
) -> None:
    assert run(Transaction(envelope(2), extensions), replies) == outcomes


@pytest.mark.parametrize("code", [450, 550])
def test_p10_a_refused_sender_is_everybodys(code: int) -> None:
    transaction = Transaction(envelope(2), {})
    run(transaction, [code])
    assert {result.stage for result in transaction.results()} == {Stage.SENDER}
    assert {result.outcome for result in transaction.results()} == {Outcome.FAILED if code > 500 else Outcome.DEFERRED}


@pytest.mark.parametrize(("text", "outcome"), [("5.5.3 Too many", "deferred"), ("too many recipients", "deferred"),
                                               ("5.2.2 mailbox full", "failed")])
def test_u6_one_recipient_too_many_waits_for_the_next_transaction(text: str, outcome: str) -> None:
    transaction = Transaction(envelope(2), {})
    for reply in (Reply(250, ("ok",)), Reply(250, ("ok",)), Reply(552, (text,))):
        transaction.commands()
        transaction.receive(reply)
    transaction.lose(Stage.MESSAGE, "connection closed")
    assert [str(result.outcome) for result in transaction.results()] == ["deferred", outcome]


def test_commands_leave_together_only_where_pipelining_is_offered() -> None:
    assert len(Transaction(envelope(2), PIPELINING).commands()) == 4
    assert len(Transaction(envelope(2), {}).commands()) == 1


def test_no_data_where_everybody_was_refused() -> None:
    transaction = Transaction(envelope(1), {})
    transaction.commands()
    transaction.receive(Reply(250, ("ok",)))
    transaction.commands()
    transaction.receive(Reply(550, ("no",)))
    assert transaction.commands() == []
    assert transaction.needs_reset


@pytest.mark.parametrize("extensions", [{}, PIPELINING])
@pytest.mark.parametrize(("code", "is_left"), [(250, False), (451, True), (554, True)])
def test_a_refused_content_may_leave_its_transaction_open(
    extensions: dict[str, tuple[str, ...]], code: int, is_left: bool
) -> None:
    transaction = Transaction(envelope(1), extensions)
    run(transaction, [250, 250, 354, code])
    assert transaction.needs_reset is is_left


def test_p10_no_dot_is_owed_for_a_grant_after_a_refused_sender_which_is_of_another_transaction() -> None:
    transaction = Transaction(envelope(1), PIPELINING)
    run(transaction, [503, 250, 354])
    assert transaction.is_over
    assert not transaction.dot_sent
    assert [(str(result.outcome), result.stage) for result in transaction.results()] == [("failed", Stage.SENDER)]


CODES = st.sampled_from([220, 250, 251, 354, 421, 450, 503, 550, 552])


@given(st.lists(CODES, max_size=8), st.integers(1, 3), st.booleans())
def test_p10_whatever_is_replied_every_forward_path_has_one_result(
    replies: list[int], recipients: int, pipelining: bool
) -> None:
    transaction = Transaction(envelope(recipients), PIPELINING if pipelining else {})
    outcomes = run(transaction, replies)
    assert [result.recipient for result in transaction.results()] == list(envelope(recipients).forward_paths)
    if "sent" in outcomes:
        assert any(200 <= code < 300 for code in replies)
    if not transaction.dot_sent:
        assert "uncertain" not in outcomes


@pytest.mark.parametrize(
    ("needs", "offered", "reason"),
    [
        ((True, False, 10), {"SMTPUTF8": ()}, "needs-8bitmime"),
        ((False, True, 10), {"8BITMIME": ()}, "needs-smtputf8"),
        ((False, False, 1001), {"SIZE": ("1000",)}, "too-large"),
        ((False, False, 1000), {"SIZE": ("1000",)}, None),
        ((False, False, 10**9), {"SIZE": ("0",)}, None),
        ((True, True, 10), {"8BITMIME": (), "SMTPUTF8": ()}, None),
    ],
)
def test_p9_what_the_server_lacks_is_named(
    needs: tuple[bool, bool, int], offered: dict[str, tuple[str, ...]], reason: str | None
) -> None:
    wanted = Envelope("a@b.example", ("c@d.example",), needs[2], needs_8bit=needs[0], needs_smtputf8=needs[1])
    lacking = lacking_extension(wanted, offered)
    assert (lacking[0] if lacking else None) == reason


def test_p9_an_address_beyond_ascii_needs_smtputf8_even_if_nobody_said_so() -> None:
    wanted = Envelope("jürgen@b.example", ("c@d.example",), 10)
    assert (lacking_extension(wanted, {}) or ("",))[0] == "needs-smtputf8"
    assert b"SMTPUTF8" in Transaction(wanted, {"SMTPUTF8": ()}).commands()[0]


def test_p3_an_envelope_that_cannot_be_said_is_refused_at_once() -> None:
    for bad, flag in product(["a@b\r\nDATA", "a@b>x", ""], [True, False]):
        with pytest.raises(ValueError, match=r"address|forward-path"):
            Transaction(Envelope("a@b.example", ("ok@example.com", bad) if flag else (bad,), 1), {})
