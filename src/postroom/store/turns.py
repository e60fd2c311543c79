"""Whose turn it is: within one priority a message of each client and purpose, then the next of each.

A turn key is that of a client with a purpose: its reports do not hold up its own password resets either.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

Row = Sequence[Any]
MessageOf = Callable[[Row], str]


class Turns:
    """Who was served last at each server, so that the next claim begins with the one after."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def after(self, server_id: str) -> str:
        return self._last.get(server_id, "")

    def served(self, server_id: str, turn_key: str) -> None:
        self._last[server_id] = turn_key


def ordered(turn_keys: Iterable[str], after: str, limit: int) -> list[str]:
    """The keys from the one after `after`, once around; no more than can be served."""
    return sorted(turn_keys, key=lambda key: (key <= after, key))[:limit]


def in_turns(streams: Mapping[str, Iterator[Row]], message_of: MessageOf) -> Iterator[tuple[str, Row]]:
    """One message of each stream, then the next of each; the recipients of a message stay together."""
    waiting = [(key, stream, next(stream, None)) for key, stream in streams.items()]
    while waiting := [turn for turn in waiting if turn[2] is not None]:
        for place, (key, stream, row) in enumerate(waiting):
            message = None if row is None else message_of(row)
            while row is not None and message_of(row) == message:
                yield key, row
                row = next(stream, None)
            waiting[place] = (key, stream, row)


def first_messages(
    rows: Iterator[tuple[str, Row]], message_of: MessageOf, limit: int, most: int, per_transaction: int | None
) -> list[tuple[str, Row]]:
    """Rows of at most `limit` messages, and at most `most` rows. With `per_transaction` a message counts as often as
    it takes transactions of so many recipients, and may be taken in part."""
    counts: Counter[str] = Counter()
    found: list[tuple[str, Row]] = []
    left = limit
    for key, row in islice(rows, most):
        message = message_of(row)
        if not counts[message] or (per_transaction and counts[message] % per_transaction == 0):
            left -= 1
            if left < 0:
                break
        counts[message] += 1
        found.append((key, row))
    return found


def transactions(messages: Iterable[str], per_transaction: int) -> int:
    """How many transactions the claimed recipients of these messages take."""
    return sum(-(-count // per_transaction) for count in Counter(messages).values())
