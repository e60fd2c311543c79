"""Rules for later tries: a delivery that was put off so often goes on through another server."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from tests.outbox import NOW, new_message

from postroom.flow.delivery.rerouting import Rerouting
from postroom.policy.failover import Standing
from postroom.policy.rules import Rule
from postroom.store.models import Message
from postroom.store.queue import Claimed, Lease, QueuedMessage
from postroom.terms.envelope import RecipientResult
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply

RELAY = Standing("relay", "relay", True, False, 0, takes_deliveries=True, is_failing=False)
CLOUD = Standing("cloud", "cloud", False, False, 1, takes_deliveries=True, is_failing=False)
PUT_OFF = RecipientResult("ann@example.org", Outcome.DEFERRED, Stage.RECIPIENT, Reply(450, ("4.2.0 later",)))


def rules(*values: dict[str, Any]) -> Rerouting:
    rerouting = Rerouting()
    rerouting.renew(Rule(str(number), **given) for number, given in enumerate(values))
    return rerouting


def claimed(message: Message, attempts: int, **values: Any) -> Claimed:
    new = new_message(None)
    queued = QueuedMessage(
        id=message.pk, message_id="<m@postroom.example>", reverse_path="", from_header="", subject="",
        purpose=message.purpose, content_digest="", content_size=1, content=new.content, needs_8bit=False,
        needs_smtputf8=False, created_at=NOW, expires_at=NOW, pinned=values.pop("pinned", False),
    )
    uncertain = values.pop("uncertain", 0)
    return Claimed(Lease("d", "a", 1), "ann@example.org", "relay", attempts, uncertain, queued, **values)


async def moved(rerouting: Rerouting, one: Claimed, result: RecipientResult = PUT_OFF) -> str:
    moves = await rerouting.moves("relay", [(one, result)], [RELAY, CLOUD])
    return moves["d"].to.id if moves else ""


async def test_from_that_many_tries_on_the_next_one_is_made_through_the_other_server(
    transactional_db: None,  # noqa: ARG001
) -> None:
    message = await Message.objects.acreate(**_values(purpose="report"))
    rerouting = rules({"server_id": "cloud", "min_attempts": 3, "purposes": frozenset({"report"})})
    assert [await moved(rerouting, claimed(message, tries)) for tries in (1, 2, 3, 4)] == ["", "", "cloud", "cloud"]


async def test_mail_that_may_not_move_stays(transactional_db: None) -> None:  # noqa: ARG001
    message = await Message.objects.acreate(**_values())
    rerouting = rules({"server_id": "cloud", "min_attempts": 1})
    assert await moved(rerouting, claimed(message, 5)) == "cloud"
    assert await moved(rerouting, claimed(message, 5, pinned=True)) == ""
    assert await moved(rerouting, claimed(message, 5, uncertain=1)) == ""
    assert await moved(rerouting, claimed(message, 5, tried=("cloud",))) == ""
    refused = RecipientResult("ann@example.org", Outcome.FAILED, Stage.RECIPIENT, Reply(550, ("no",)))
    assert await moved(rerouting, claimed(message, 5), refused) == ""


async def test_without_rules_for_later_tries_nothing_is_read() -> None:
    """There is no database here to read."""
    message = Message(pk="none", purpose="report")
    for rerouting in (rules(), rules({"server_id": "cloud"}), rules({"server_id": "cloud", "min_attempts": 9})):
        assert await moved(rerouting, claimed(message, 5)) == ""


def _values(**values: Any) -> dict[str, Any]:
    return {
        "message_id": "<m@postroom.example>", "from_header": "Ann <ann@company.example>", "content_digest": "0" * 64,
        "content_size": 1, "created_at": NOW, "expires_at": NOW + timedelta(days=1), **values,
    }


async def test_d6_a_database_that_does_not_answer_moves_nothing_and_spoils_no_settlement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def busy(_: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("postroom.flow.delivery.rerouting._messages", busy)
    message = Message(id="m", purpose="report")
    assert await moved(rules({"server_id": "cloud", "min_attempts": 1}), claimed(message, 1)) == ""
