"""Many messages over one session with real mail servers: each arrives once and unchanged, in one round trip (P12)."""

import pytest
from tests.interop.test_session import content_of, kept, mark, opened
from tests.net.runs import Load, shipment
from tests.rig.mail_rig import MailRig, without_trace_fields
from tests.rig.postfix import REFUSED_CONTENT

from postroom.policy.manners import Manners, Pipelining

pytestmark = pytest.mark.interop
COUNT = 30


async def carried(rig: MailRig, load: Load) -> None:
    session = await opened(rig, *rig.strictest)
    await load.over(session)
    await session.close()
    assert load.returned == []


@pytest.mark.parametrize("chunking", [True, False])
async def test_p12_thirty_messages_in_overlapping_transactions_each_arrive_once_and_unchanged(
    every_rig: MailRig, chunking: bool
) -> None:
    words = [mark() for _ in range(COUNT)]
    contents = [content_of(word, f".{number}\r\n..two\r\n.") for number, word in enumerate(words)]
    load = Load(
        [shipment("reports@rig.example", ["someone@elsewhere.example"], content) for content in contents],
        Manners(chunking=chunking),
    )
    await carried(every_rig, load)
    assert load.outcomes() == ["sent"] * COUNT
    assert (load.manners.pipelining, load.manners.changed) == (Pipelining.MESSAGES, False)
    for word, content in zip(words, contents, strict=True):
        (arrived,) = every_rig.arrived(word.encode(), count=1)
        assert without_trace_fields(arrived) == kept(content)


async def test_a_refused_recipient_between_others_costs_nobody_else_anything(mail_rig: MailRig) -> None:
    words = [mark() for _ in range(6)]
    loaded = [
        shipment("reports@rig.example", ["a" * 65 + "@elsewhere.example" if number % 3 == 1 else "b@elsewhere.example"],
                 content_of(word))
        for number, word in enumerate(words)
    ]
    load = Load(loaded)
    await carried(mail_rig, load)
    assert len(load.results) == len(words)
    for number, word in enumerate(words):
        if load.outcomes()[number] == "sent":
            assert len(mail_rig.arrived(word.encode(), count=1)) == 1
    assert load.outcomes().count("sent") >= 4


@pytest.mark.parametrize("chunking", [True, False])
@pytest.mark.parametrize("pipelining", Pipelining)
async def test_u6_a_content_that_postfix_refuses_at_its_end_costs_no_other_message_anything(
    mail_rig: MailRig, pipelining: Pipelining, chunking: bool
) -> None:
    words = [mark() for _ in range(9)]
    senders = [REFUSED_CONTENT if number % 3 == 1 else "reports@rig.example" for number in range(len(words))]
    load = Load(
        [shipment(sender, ["someone@elsewhere.example"], content_of(word))
         for sender, word in zip(senders, words, strict=True)],
        Manners(pipelining, chunking),
    )
    arrived_before = len(mail_rig.messages())
    while load.waiting:
        session = await opened(mail_rig, *mail_rig.strictest)
        await load.over(session)
        await session.close()
    assert load.outcomes() == ["failed" if sender == REFUSED_CONTENT else "sent" for sender in senders]
    assert (load.manners.pipelining, load.manners.changed) == (pipelining, False)
    for word, outcome in zip(words, load.outcomes(), strict=True):
        if outcome == "sent":
            assert len(mail_rig.arrived(word.encode(), count=1)) == 1
    arrived = mail_rig.messages()
    assert len(arrived) - arrived_before == load.outcomes().count("sent"), "no mail leaves that nobody wrote"
    assert not [message for message in arrived if REFUSED_CONTENT.encode() in message]
