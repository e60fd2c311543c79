"""Runs of transactions over one session: overlapped, interrupted at every point, and with servers that bear less than
they offer (U6, U1, P5, P8)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.dialogs.player import Dialog, dialog_of, playing
from tests.net.runs import Load, shipments
from tests.net.sessions import Text, opened

from postroom.net import carriage
from postroom.net.session import Recorder, Session
from postroom.policy.manners import Manners, Pipelining
from postroom.smtp.trace import CommandSent, PeerFault, ReplyReceived, StageEnded
from postroom.terms.outcome import Stage

OPENING = "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 PIPELINING\n"
CHUNKING = "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250-CHUNKING\nS: 250 PIPELINING\n"
ENVELOPE = "C: MAIL *\nC: RCPT *\nC: DATA\n"
GRANTED = "S: 250 ok\nS: 250 ok\nS: 354 go\n"
# One message whose content left together with the next envelope; nothing of it is answered yet.
OVERLAPPED = OPENING + ENVELOPE + GRANTED + "C.\n" + ENVELOPE


def played(text: str) -> Dialog:
    return dialog_of("run", text)


async def run(text: str, load: Load, timeout_s: float = 10.0, then: str = "") -> Session:
    """One session that plays `text`, then another where something was put back and `then` is to be played."""
    dialogs = [played(text), *([played(then)] if then else [])]
    async with playing(*dialogs) as server:
        session = await opened(server.port, Recorder(), timeout_s)
        await load.over(session)
        if then:
            session = await opened(server.port, Recorder(), timeout_s)
            await load.over(session)
        await session.close()
    return session


def proven() -> Manners:
    manners = Manners()
    manners.kept(Pipelining.MESSAGES)
    manners.kept(Pipelining.ENVELOPE)
    return manners


# What comes after the overlapped write, and what becomes of the first message and the second; the server is one that
# has shown before that it bears overlapping.
@pytest.mark.parametrize(
    ("replies", "outcomes", "returned"),
    [
        ("drop", ["uncertain", "-"], [1]),
        ("reset", ["uncertain", "-"], [1]),
        ("S: 250 taken\ndrop", ["sent", "-"], [1]),
        ("S: 250 taken\nreset", ["sent", "-"], [1]),
        ("S: 250 taken\nS: 250 ok\ndrop", ["sent", "deferred"], []),
        ("S: 250 taken\nS: 250 ok\nS: 250 ok\ndrop", ["sent", "deferred"], []),
        ("S: 250 taken\nS: 250 ok\nS: 250 ok\nS: 354 go\nC.\ndrop", ["sent", "uncertain"], []),
        ("S: 421 closing\ndrop", ["deferred", "-"], [1]),
        ("S: 250 taken\nS: 421 closing\ndrop", ["sent", "-"], [1]),
        ("S: 250 taken\nS: 250 ok\nS: 421 closing\ndrop", ["sent", "deferred"], []),
        ("S: 250 taken\nS: 250 ok\nS: 250 ok\nS: 421 closing\ndrop", ["sent", "deferred"], []),
        ("S: 354 what\nsilence", ["uncertain", "-"], [1]),
        ("S: 250 taken\nS: 354 what\nsilence", ["sent", "deferred"], []),
        ("S: 250 taken\nS: 250 ok\nS: 250 ok\nS: 250 what\nsilence", ["sent", "deferred"], []),
        ("S: 550 no\nS: 250 ok\nS: 250 ok\nS: 354 go\nC.\nS: 250 taken\nC: QUIT", ["failed", "sent"], []),
        ("S: 451 later\nS: 250 ok\nS: 250 ok\nS: 354 go\nC.\nS: 250 taken\nC: QUIT", ["deferred", "sent"], []),
        ("S: 250 taken\nS: 550 no\nS: 503 no\nS: 503 no\nC: QUIT", ["sent", "failed"], []),
        ("S: 250 taken\nS: 250 ok\nS: 550 no\nS: 503 no\nC: RSET\nS: 250 ok\nC: QUIT", ["sent", "failed"], []),
        (
            "S: 250 taken\nS: 250 ok\nS: 550 no\nS: 354 go\nC: .\nS: 554 no\nC: RSET\nS: 250 ok\nC: QUIT",
            ["sent", "failed"], [],
        ),
        ("S: 250 taken\nS: 250 ok\nS: 250 ok\nS: 452 later\nC: RSET\nS: 250 ok\nC: QUIT", ["sent", "deferred"], []),
        ("S> 250 taken\\r\\n250 ok\\r\\n250 ok\\r\\n354 go\\r\\n250 what\\r\\n\nsilence", ["sent", "deferred"], []),
        ("S: 250 taken\nS: not SMTP\nsilence", ["sent", "-"], [1]),
        ("S: hello\nsilence", ["uncertain", "-"], [1]),
    ],
)
async def test_u1_u6_each_transaction_of_an_interrupted_run_gets_its_own_end(
    replies: str, outcomes: list[str], returned: list[int]
) -> None:
    load = Load(shipments(2), proven())
    await run(OVERLAPPED + replies, load)
    assert load.outcomes() == outcomes
    assert [number for number, _ in load.returned] == returned
    assert load.manners.pipelining is Pipelining.MESSAGES


# A server that holds on to the transaction whose content it refused: the next envelope falls into that.
NESTED = "S: 503 5.5.1 nested MAIL command\nS: 250 ok\n"


@pytest.mark.parametrize("is_proven", [True, False])
@pytest.mark.parametrize("granted", ["S: 354 go\nsilence", "drop"])
async def test_u6_a_refused_content_whose_transaction_stays_open_costs_the_message_behind_it_nothing(
    granted: str, is_proven: bool
) -> None:
    load = Load(shipments(2), proven() if is_proven else None)
    nested = OVERLAPPED + "S: 554 5.7.1 content refused\n" + NESTED + granted
    alone = OPENING + ENVELOPE + GRANTED + "C.\nS: 250 taken\nC: QUIT\nS: 221 bye"
    async with playing(played(nested), played(alone)) as server:
        for _ in range(2):
            session = await opened(server.port, Recorder())
            await load.over(session)
            await session.close()
    assert load.outcomes() == ["failed", "sent"]
    assert load.returned == [(1, False)]
    assert "." not in server.lines, "a lone dot would send an empty mail in the name of the refused sender"
    assert load.manners.bears_all


@pytest.mark.parametrize(
    ("offers", "content"),
    [
        ("S: 250 mx\n", "C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\nC.\n"),
        ("S: 250-mx\nS: 250 PIPELINING\n", ENVELOPE + GRANTED + "C.\n"),
    ],
    ids=["step by step", "envelope"],
)
async def test_a_transaction_whose_content_was_refused_is_taken_back_before_the_next_one(
    offers: str, content: str
) -> None:
    manners = Manners(pipelining=Pipelining.ENVELOPE)
    load = Load(shipments(2), manners)
    refused = content + "S: 554 no\nC: RSET\nS: 250 ok\n"
    await run("S: 220 mx\nC: EHLO *\n" + offers + refused + content + "S: 250 taken\nC: QUIT\nS: 221 bye", load)
    assert load.outcomes() == ["failed", "sent"]


async def test_results_of_several_recipients_keep_to_their_transaction() -> None:
    two = "C: MAIL *\nC: RCPT *\nC: RCPT *\nC: DATA\n"
    text = (
        OPENING + two + "S: 250 ok\nS: 250 ok\nS: 550 5.1.1 no\nS: 354 go\nC.\n" + two
        + "S: 250 taken\nS: 250 ok\nS: 450 4.2.1 later\nS: 250 ok\nS: 354 go\nC.\nS: 554 no\n"
        + "C: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye"
    )
    load = Load(shipments(2, recipients=2))
    await run(text, load)
    assert load.outcomes() == ["sent+failed", "deferred+failed"]


async def test_p5_a_reply_that_nobody_asked_for_between_two_runs_ends_the_session() -> None:
    text = OPENING + ENVELOPE + GRANTED + "C.\nS> 250 taken\\r\\n250 taken\\r\\n\nsilence"
    load = Load(shipments(2))
    second = load.waiting.pop()
    async with playing(played(text)) as server:
        session = await opened(server.port, Recorder())
        await load.over(session)
        assert not session.is_usable
        load.waiting.append(second)
        await load.over(session)
        await session.close()
    assert load.outcomes() == ["sent", "-"]
    assert load.returned == [(1, False)]


async def test_nothing_is_sent_ahead_of_a_server_without_pipelining() -> None:
    step = "C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\nC.\npause 0.05\nS: 250 taken\n"
    load = Load(shipments(3))
    await run("S: 220 mx\nC: EHLO *\nS: 250 mx\n" + step * 3 + "C: QUIT\nS: 221 bye", load)
    assert load.outcomes() == ["sent"] * 3


ALONE = OPENING + (ENVELOPE + GRANTED + "C.\npause 0.05\nS: 250 taken\n") * 2 + "C: QUIT\nS: 221 bye"
STEPS = (
    OPENING + "C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\nC.\nS: 250 taken\n" * 2
    + "C: QUIT\nS: 221 bye"
)


@pytest.mark.parametrize(
    "lie",
    [
        "S: 250 taken\nS: 503 5.5.1 bad sequence\nS: 503 no\nS: 503 no\nsilence",
        "S: 250 taken\nS: 500 unknown\nsilence",
        "S: 250 taken\nS: 554 SMTP synchronization error\ndrop",
        "S: 250 taken\nsilence",
        "S: 250 taken\nS: 250 ok\nsilence",
        "S: 250 taken\nS: 250 ok\nS: 250 ok\nS: 250 what\nsilence",
    ],
    ids=["out-of-order", "cut", "synchronization", "input thrown away", "half of it", "mixed"],
)
async def test_a_server_that_does_not_bear_the_next_envelope_gets_it_afterwards_and_is_remembered(
    lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carriage, "UNPROVEN_PIPELINING_TIMEOUT_S", 0.3)
    load = Load(shipments(3))
    await run(OVERLAPPED + lie, load, timeout_s=1.0, then=ALONE)
    assert load.outcomes() == ["sent"] * 3
    assert load.returned == [(1, True)]
    assert load.manners.pipelining is Pipelining.ENVELOPE
    assert load.manners.changed
    assert load.manners.reason


async def test_a_server_that_answers_the_content_with_the_reply_to_mail_makes_it_uncertain_not_sent() -> None:
    load = Load(shipments(2))
    await run(OVERLAPPED + "S: 250 2.1.0 sender ok\nS: 550 5.7.1 content refused\nsilence", load)
    assert load.outcomes() == ["uncertain", "-"]
    assert [number for number, _ in load.returned] == [1]
    assert load.manners.pipelining is Pipelining.ENVELOPE


async def test_a_server_that_hangs_up_is_suspected_only_the_second_time() -> None:
    load = Load(shipments(3))
    await run(OVERLAPPED + "S: 250 taken\ndrop", load, then=OVERLAPPED + "S: 250 taken\ndrop")
    assert load.outcomes()[:2] == ["sent", "sent"]
    assert load.manners.pipelining is Pipelining.ENVELOPE


async def test_a_server_that_loses_commands_of_one_envelope_gets_one_after_the_other() -> None:
    load = Load(shipments(2))
    lying = OPENING + ENVELOPE + "S: 250 ok\nS: 503 5.5.1 MAIL first\nsilence"
    await run(lying, load, then=STEPS)
    assert load.outcomes() == ["sent", "sent"]
    assert load.returned == [(0, True)]
    assert load.manners.pipelining is Pipelining.NONE


BDAT_RUN = (
    CHUNKING + "C: MAIL *\nC: RCPT *\nS: 250 ok\nS: 250 ok\nB: BDAT 12\nS: 250 ok\n"
    "B: BDAT * LAST\nC: MAIL *\nC: RCPT *\nS: 250 taken\nS: 250 ok\nS: 250 ok\nB: BDAT * LAST\nS: 250 taken\nC: QUIT"
)


async def test_chunks_leave_as_they_are_and_one_field_first_to_a_server_that_has_not_shown_that_it_knows_them() -> None:
    load = Load(shipments(2))
    async with playing(played(BDAT_RUN)) as server:
        session = await opened(server.port, Recorder())
        await load.over(session)
        await session.close()
    assert load.outcomes() == ["sent", "sent"]
    assert server.contents == [b"Subject: 0\r\n", b"\r\n.0\r\n", b"Subject: 1\r\n\r\n.1\r\n"]
    assert load.manners.chunking_proven


async def test_a_small_content_leaves_with_its_own_envelope_where_a_run_begins() -> None:
    manners = proven()
    manners.chunking_proven = True
    load = Load(shipments(2), manners)
    text = CHUNKING + (
        "C: MAIL *\nC: RCPT *\nB: BDAT * LAST\nC: MAIL *\nC: RCPT *\n"
        "S: 250 ok\nS: 250 ok\nS: 250 taken\nS: 250 ok\nS: 250 ok\nB: BDAT * LAST\nS: 250 taken\nC: QUIT\nS: 221 bye"
    )
    await run(text, load)
    assert load.outcomes() == ["sent", "sent"]


async def test_the_replies_to_an_envelope_that_left_with_its_content_are_not_taken_for_one_to_the_content() -> None:
    manners = Manners()  # nothing was under way to this server together yet
    manners.chunking_proven = True
    load = Load(shipments(2), manners)
    text = CHUNKING + (
        "C: MAIL *\nC: RCPT *\nB: BDAT * LAST\nC: MAIL *\nC: RCPT *\n"
        "S: 250 2.1.0 ok\nS: 250 2.1.5 ok\nS: 250 2.0.0 taken\nS: 250 2.1.0 ok\nS: 250 2.1.5 ok\n"
        "B: BDAT * LAST\nS: 250 2.0.0 taken\nC: QUIT\nS: 221 bye"
    )
    await run(text, load)
    assert load.outcomes() == ["sent", "sent"]
    assert manners.pipelining is Pipelining.MESSAGES


async def test_a_server_that_skips_the_reply_to_a_content_that_left_with_its_envelope_makes_it_uncertain() -> None:
    manners = Manners()
    manners.chunking_proven = True
    load = Load(shipments(2), manners)
    text = CHUNKING + (
        "C: MAIL *\nC: RCPT *\nB: BDAT * LAST\nC: MAIL *\nC: RCPT *\n"
        "S: 250 2.1.0 ok\nS: 250 2.1.5 ok\nS: 250 2.1.0 ok\nsilence"
    )
    await run(text, load)
    assert load.outcomes()[0] == "uncertain"
    assert manners.pipelining is Pipelining.ENVELOPE


@pytest.mark.parametrize(
    ("replies", "outcome", "is_returned"),
    [
        ("drop", "uncertain", False),
        ("S: 250 ok\ndrop", "uncertain", False),
        ("S: 250 ok\nS: 250 ok\ndrop", "uncertain", False),
        ("S: 550 no\nS: 503 no\nS: 503 no\nC: QUIT", "failed", False),
        ("S: 250 ok\nS: 550 no\nS: 554 no\nC: RSET\nS: 250 ok\nC: QUIT", "failed", False),
        ("S: 250 ok\nS: 550 no\ndrop", "failed", False),
        ("S: 250 ok\nS: 250 ok\nS: 552 too large\nC: RSET\nS: 250 ok\nC: QUIT", "failed", False),
        ("S: 421 closing\ndrop", "deferred", False),
        ("S: 250 ok\nS: 421 closing\ndrop", "deferred", False),
        ("S> 250 ok\\r\\n250 ok\\r\\n250 taken\\r\\n250 what\\r\\n\nsilence", "uncertain", False),
        ("S> 250 ok\\r\\n250 ok\\r\\n250 taken\\r\\n421 bye\\r\\n\ndrop", "sent", False),
    ],
)
async def test_u1_a_content_that_left_with_its_envelope_is_uncertain_unless_a_reply_says_more(
    replies: str, outcome: str, is_returned: bool
) -> None:
    manners = proven()
    manners.chunking_proven = True
    load = Load(shipments(1), manners)
    await run(CHUNKING + "C: MAIL *\nC: RCPT *\nB: BDAT * LAST\n" + replies, load)
    assert load.outcomes() == [outcome]
    assert bool(load.returned) is is_returned


async def test_a_server_that_offers_chunking_and_does_not_know_it_gets_data_and_never_a_content_as_commands() -> None:
    load = Load(shipments(2))
    lying = CHUNKING + "C: MAIL *\nC: RCPT *\nS: 250 ok\nS: 250 ok\nC: BDAT *\nS: 500 no\nC: Subject*\nS: 500 what\n"
    await run(lying, load, then=OPENING + ENVELOPE + GRANTED + "C.\n" + ENVELOPE + "S: 250 taken\n" + GRANTED
              + "C.\nS: 250 taken\nC: QUIT\nS: 221 bye")
    assert load.outcomes() == ["sent", "sent"]
    assert (load.manners.chunking, load.returned) == (False, [(0, True)])
    assert "BDAT" in load.manners.reason


async def test_a_content_that_chunks_would_change_goes_after_data() -> None:
    bare = Text(b"Subject: x\r\n\r\nbare\nline\r\n")
    load = Load(shipments(1, content=bare))
    text = CHUNKING + ENVELOPE + GRANTED + "C.\nS: 250 taken\nC: QUIT\nS: 221 bye"
    await run(text, load)
    assert load.outcomes() == ["sent"]


class Torn:
    """Content that turns out to be damaged when it is read."""

    size_bytes = 200_000

    def chunks(self) -> Any:
        yield b"x" * 70 + b"\r\n"
        raise OSError("damaged")


async def test_d9_damaged_content_costs_the_session_and_no_other_message() -> None:
    load = Load(shipments(3))
    load.shipments[1].content = Torn()
    torn = OVERLAPPED + "S: 250 taken\n" + GRANTED + "silence"
    await run(torn, load, then=OPENING + ENVELOPE + GRANTED + "C.\nS: 250 taken\nC: QUIT\nS: 221 bye")
    assert load.outcomes() == ["sent", "-", "sent"]
    assert list(load.errors) == [1]


async def test_a_cancelled_run_puts_back_what_was_not_taken_up_and_leaves_what_may_have_been_sent() -> None:
    load = Load(shipments(2), proven())
    async with playing(played(OVERLAPPED + "silence")) as server:
        session = await opened(server.port, Recorder())
        task = asyncio.create_task(load.over(session))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (load.left_over, load.returned) == ([0], [(1, False)])
    assert not session.is_usable


async def test_u10_each_content_waits_for_its_mark_and_the_envelopes_do_not() -> None:
    load = Load(shipments(2))
    gates = [asyncio.Event(), asyncio.Event()]
    for shipment, gate in zip(load.shipments, gates, strict=True):
        shipment.mark = _opens(gate)
    text = OVERLAPPED + "S: 250 taken\n" + GRANTED + "C.\nS: 250 taken\nC: QUIT\nS: 221 bye"
    async with playing(played(text)) as server:
        session = await opened(server.port, Recorder())
        task = asyncio.create_task(load.over(session))
        for number, gate in enumerate(gates):
            await asyncio.sleep(0.1)
            assert len(server.contents) == number
            gate.set()
        await task
        await session.close()
    assert load.outcomes() == ["sent", "sent"]


def _opens(gate: asyncio.Event) -> Callable[[], Any]:
    async def mark() -> None:
        await gate.wait()

    return mark


async def test_the_evidence_of_a_transaction_is_its_own_although_two_were_under_way() -> None:
    load = Load(shipments(2))
    await run(OVERLAPPED + "S: 250 taken\nS: 250 ok\nS: 550 5.1.1 nobody\nS: 503 no\nC: RSET\nS: 250 ok\nC: QUIT", load)
    first, second = load.events[0], load.events[1]
    assert [e.reply.code for e in first if isinstance(e, ReplyReceived)] == [250, 250, 354, 250]
    assert [e.reply.code for e in second if isinstance(e, ReplyReceived)] == [250, 550, 503]
    assert [(e.stage, e.passed) for e in second if isinstance(e, StageEnded)] == [
        (Stage.SENDER, True), (Stage.RECIPIENT, False)
    ]
    assert [e.line.split()[0] for e in second if isinstance(e, CommandSent)] == ["MAIL", "RCPT", "DATA"]
    assert not [e for e in first if isinstance(e, PeerFault)]
