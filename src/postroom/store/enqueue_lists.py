"""Lists of messages in one transaction, whatever the database: each is stored as a whole or not at all."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

from .queue import Enqueued, IdempotencyConflict, NewMessage


class _Connection(Protocol):
    def execute(self, statement: Any, /) -> Any: ...


C = TypeVar("C", bound=_Connection)
Answers = list[Enqueued | IdempotencyConflict]
_Enqueue = Callable[[C, list[NewMessage]], Sequence[Enqueued | IdempotencyConflict]]


def enqueue_lists(enqueue: _Enqueue[C], connection: C, lists: Sequence[Sequence[NewMessage]]) -> list[Answers]:
    """As `enqueue` answers, for several lists by the same statements; of a list with a conflict nothing is stored, and
    all of it is answered with that."""
    connection.execute("SAVEPOINT lists")
    found = iter(enqueue(connection, [new for messages in lists for new in messages]))
    answers = [list(islice(found, len(messages))) for messages in lists]
    if any(map(_conflict, answers)):
        connection.execute("ROLLBACK TO lists")
        answers = [_all_or_none(enqueue, connection, list(messages)) for messages in lists]
    connection.execute("RELEASE lists")
    return answers


def _all_or_none(enqueue: _Enqueue[C], connection: C, messages: list[NewMessage]) -> Answers:
    connection.execute("SAVEPOINT list")
    answers = list(enqueue(connection, messages))
    conflict = _conflict(answers)
    if conflict is not None:
        connection.execute("ROLLBACK TO list")
        answers = [conflict] * len(messages)
    connection.execute("RELEASE list")
    return answers


def _conflict(answers: Answers) -> IdempotencyConflict | None:
    return next((answer for answer in answers if isinstance(answer, IdempotencyConflict)), None)
