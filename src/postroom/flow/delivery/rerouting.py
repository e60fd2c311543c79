"""Delivery rules for later tries: a message that was put off so often takes its next try through another server.

Without such rules nothing is read and nothing is asked.
"""

from collections.abc import Iterable, Sequence

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError

from postroom.policy.failover import Move, Standing
from postroom.policy.outcome import is_server_fault
from postroom.policy.rules import Rule, decided
from postroom.store.models import Message
from postroom.store.queue import Claimed
from postroom.terms.envelope import RecipientResult
from postroom.terms.outcome import Outcome

from ..messages.traits import traits_again

_log = structlog.get_logger("postroom.rerouting")


class Rerouting:
    """Knows the rules for later tries; `renew` when they may have changed."""

    def __init__(self) -> None:
        self._rules: tuple[Rule, ...] = ()

    def renew(self, rules: Iterable[Rule]) -> None:
        """From now on decide by those of the rules that are for later tries."""
        self._rules = tuple(rule for rule in rules if rule.min_attempts and rule.enabled)

    async def moves(
        self, server_id: str, pairs: Sequence[tuple[Claimed, RecipientResult]], servers: Sequence[Standing]
    ) -> dict[str, Move]:
        """By the delivery's id, where it takes its next try instead of through `server_id`."""
        put_off = [claimed for claimed, result in pairs if self._may_move(claimed, result)]
        if not put_off:
            return {}
        try:
            messages = await sync_to_async(_messages)({claimed.message.id for claimed in put_off})
        except DatabaseError as error:  # the next try is made through the same server
            _log.error("the delivery rules could not be asked", error=str(error))
            return {}
        standings = {standing.id: standing for standing in servers if standing.takes_deliveries}
        found: dict[str, Move] = {}
        for claimed in put_off:
            message = messages.get(claimed.message.id)
            if message is None:
                continue
            traits = traits_again(message, claimed.recipient, claimed.attempt_count)
            rule = decided(self._rules, traits, standings.keys() - set(claimed.tried))
            if rule is not None and rule.server_id not in (None, server_id):
                found[claimed.lease.delivery_id] = Move(standings[str(rule.server_id)], at_once=False)
        return found

    def _may_move(self, claimed: Claimed, result: RecipientResult) -> bool:
        return (
            any(claimed.attempt_count >= rule.min_attempts for rule in self._rules)
            and result.outcome is Outcome.DEFERRED
            and not is_server_fault(result)
            and not claimed.message.pinned
            and not claimed.uncertain_count
        )


def _messages(ids: set[str]) -> dict[str, Message]:
    return Message.objects.in_bulk(ids)
