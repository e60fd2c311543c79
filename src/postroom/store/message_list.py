"""The messages that a filter fits, counted and page by page, each found through an index in the order of acceptance.

Raw statements as in `queue_sqlite`: which index leads decides whether a list of a million messages takes a millisecond
or a second, so each statement names it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from postroom.terms.outcome import DeliveryState

from .dialect import held, holds, indexed_by
from .ids import id_at
from .message_filter import MessageFilter, Order, Place, Segment, segments
from .message_search import Hits

# Counting goes no further: "more than 10,000" is as good for a person. A narrow filter reads rows for each it counts.
COUNT_BOUND = 10_000
NARROW_COUNT_BOUND = 1_000
# After every id, in whatever order a database puts signs: ids begin with a digit.
_LAST_ID = "Z"


@dataclass(frozen=True, slots=True)
class Page:
    """Ids of messages in order; `next` is where the page after begins, None at the end."""

    ids: list[str]
    next: Place | None


@dataclass(slots=True)
class _Statement:
    """A SELECT of message ids in the making; `key` is the column that holds them."""

    key: str
    source: str
    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def where(self, condition: str, *values: Any) -> None:
        self.conditions.append(condition)
        self.values += values

    def text(self, order: str, limit: int) -> str:
        return (
            f"SELECT DISTINCT {self.key} FROM {self.source} WHERE {' AND '.join(self.conditions)}"
            f" ORDER BY {self.key} {order} LIMIT {limit:d}"
        )


class MessageList:
    """The list of one filter. `hits` are those of its text, None when it has none."""

    def __init__(self, wanted: MessageFilter, hits: Hits | None = None) -> None:
        self._wanted = wanted
        self._hits = hits
        self._since = _bound(wanted.since, "")
        self._until = _bound(wanted.until, _LAST_ID)

    @property
    def bound(self) -> int:
        return NARROW_COUNT_BOUND if self._wanted.is_narrow else COUNT_BOUND

    def count(self, state: str = "") -> int:
        """How many messages fit and have a delivery in the state; one more than `bound` when there are more."""
        statement = self._statement(Segment(state))
        text = f"SELECT COUNT(*) FROM ({statement.text('DESC', self.bound + 1)}) found"
        return int(_rows(text, statement.values)[0][0])

    def counts(self, states: Sequence[str]) -> dict[str, int]:
        """`count` for all ("") and for each of the states."""
        if self._hits is None:
            return {state: self.count(state) for state in ("", *states)}
        # The hits of a search are few: one look at all of their deliveries is quicker than one for each state.
        statement, about_message = self._deliveries("d"), self._messages()
        statement.source = "store_delivery d"
        marks = ", ".join(["%s"] * len(self._hits.ids)) or "NULL"
        statement.where(f"d.message_id IN ({marks})", *self._hits.ids)
        if about_message.conditions:
            statement.source += " CROSS JOIN store_message m"
            statement.where("m.id = d.message_id")
            statement.where(" AND ".join(about_message.conditions), *about_message.values)
        text = (
            f"SELECT d.state, COUNT(DISTINCT d.message_id) FROM {statement.source}"
            f" WHERE {' AND '.join(statement.conditions)} GROUP BY d.state"
        )
        found = dict(_rows(text, statement.values))
        return {"": self.count(), **{state: found.get(state, 0) for state in states}}

    def page(self, order: Order, rows: int, after: Place | None = None, state: str = "") -> Page:
        """The next messages after a place."""
        found: list[tuple[int, str]] = []
        for number, segment in enumerate(segments(order, state)):
            if after is not None and number < after.segment:
                continue
            statement = self._statement(segment)
            if after is not None and number == after.segment:
                statement.where(f"{statement.key} {'>' if segment.oldest_first else '<'} %s", after.id)
            text = statement.text("ASC" if segment.oldest_first else "DESC", rows + 1 - len(found))
            found += [(number, row[0]) for row in _rows(text, statement.values)]
            if len(found) > rows:
                break
        last = Place(*found[rows - 1]) if len(found) > rows else None
        return Page([id_ for _, id_ in found[:rows]], last)

    def _statement(self, segment: Segment) -> _Statement:
        statement = self._source(segment.state)
        # Hits lie in the period; with its bounds there too, SQLite would walk through all of it.
        if self._hits is None:
            statement.where(f"{statement.key} >= %s AND {statement.key} < %s", self._since, self._until)
        else:
            marks = ", ".join(["%s"] * len(self._hits.ids)) or "NULL"
            statement.where(f"{statement.key} IN ({marks})", *self._hits.ids)
        if segment.but_not:
            other = self._deliveries("o")
            marks = ", ".join(["%s"] * len(segment.but_not))
            conditions = [f"o.state IN ({marks})", f"o.message_id = {statement.key}", *other.conditions]
            source = f"store_delivery o{indexed_by('delivery_state')}"
            text = f"NOT EXISTS (SELECT 1 FROM {source} WHERE {' AND '.join(conditions)})"
            statement.where(text, *segment.but_not, *other.values)
        return statement

    def _source(self, state: str) -> _Statement:
        """The statement without the period: led by the deliveries where they are few, else by the messages."""
        about_message = self._messages()
        about_delivery = self._deliveries("d")
        if state:
            about_delivery.where("d.state = %s", state)
        if self._wanted.bounce:
            return self._led_by_bounces(about_delivery, about_message)
        if not about_delivery.conditions:
            about_message.source = f"store_message m{self._list_index()}"
            return about_message
        leading = self._leading_index(state, bool(about_message.conditions))
        if leading is None:
            about_message.source = f"store_message m{self._list_index()}"
            inner = f"SELECT 1 FROM store_delivery d{indexed_by('delivery_state')} WHERE d.message_id = m.id"
            text = " AND ".join((inner, *about_delivery.conditions))
            about_message.where(f"EXISTS ({text})", *about_delivery.values)
            return about_message
        about_delivery.source = f"store_delivery d{indexed_by(leading)}"
        if about_message.conditions:
            about_delivery.source += " CROSS JOIN store_message m"
            about_delivery.where("m.id = d.message_id")
            about_delivery.where(" AND ".join(about_message.conditions), *about_message.values)
        return about_delivery

    def _led_by_bounces(self, about_delivery: _Statement, about_message: _Statement) -> _Statement:
        """Few messages come back; the index of their reports has them in order."""
        source = f"store_bounce b{indexed_by('bounce_kind')} CROSS JOIN store_delivery d"
        statement = _Statement("b.message_id", source, ["b.kind = %s", "d.id = b.delivery_id"], [self._wanted.bounce])
        statement.where(" AND ".join(about_delivery.conditions), *about_delivery.values)
        if about_message.conditions:
            statement.source += " CROSS JOIN store_message m"
            statement.where("m.id = b.message_id")
            statement.where(" AND ".join(about_message.conditions), *about_message.values)
        return statement

    def _leading_index(self, state: str, joined: bool) -> str | None:
        """The index of the deliveries that leads, "" for the database's choice, None when the messages lead.

        Nearly every message is sent: among those a purpose or a client is found sooner than a state."""
        wanted = self._wanted
        if self._hits is not None:
            return "delivery_state" if state else "delivery_to" if self._hits.recipients else ""
        if wanted.cause:
            return "delivery_cause"
        if wanted.recipient:
            return "delivery_to"
        if state and state != DeliveryState.SENT:
            return "delivery_state"
        if joined and state:
            return None
        return "delivery_server" if wanted.server else "delivery_state"

    def _list_index(self) -> str:
        return indexed_by("" if self._hits is not None or self._wanted.client_id else "message_list")

    def _messages(self) -> _Statement:
        wanted, statement = self._wanted, _Statement("m.id", "")
        for column, value in (
            ("purpose", wanted.purpose), ("client_name", wanted.client), ("client_id", wanted.client_id)
        ):
            if value:
                statement.where(f"m.{column} = %s", value)
        if wanted.tag:
            statement.where(holds("m.tags"), held(wanted.tag))
        return statement

    def _deliveries(self, alias: str) -> _Statement:
        wanted, statement = self._wanted, _Statement(f"{alias}.message_id", "")
        if wanted.server:
            statement.where(f"{alias}.server_id = %s", wanted.server)
        if wanted.cause:
            # The second condition is the index's own, which is there for deliveries with a cause only.
            statement.where(f"{alias}.cause = %s AND NOT ({alias}.cause = '')", wanted.cause)
        if wanted.bounce:
            statement.where(
                f"EXISTS (SELECT 1 FROM store_bounce r WHERE r.delivery_id = {alias}.id AND r.kind = %s)", wanted.bounce
            )
        recipients = [wanted.recipient] if wanted.recipient else self._hits.recipients if self._hits else []
        if recipients:
            statement.where(f"{alias}.recipient IN ({', '.join(['%s'] * len(recipients))})", *recipients)
        return statement


def causes_in_use(limit: int) -> list[str]:
    """Slugs of the causes that deliveries have, in order; each is found by a step through the index, not by a walk."""
    text = (
        f"SELECT cause FROM store_delivery{indexed_by('delivery_cause')} WHERE cause > %s AND NOT (cause = '')"
        " ORDER BY cause LIMIT 1"
    )
    found: list[str] = []
    while len(found) < limit and (rows := _rows(text, [found[-1] if found else ""])):
        found.append(rows[0][0])
    return found


def _bound(at: datetime | None, otherwise: str) -> str:
    return otherwise if at is None else id_at(at)


def _rows(text: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        return list(cursor.fetchall())
