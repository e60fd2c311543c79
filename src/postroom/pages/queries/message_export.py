"""The lines of an export: a line for each recipient of each message that the list's filter fits."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from postroom.store.message_filter import Place
from postroom.store.message_list import MessageList
from postroom.store.message_search import hits_of
from postroom.store.models import Delivery
from postroom.terms.spreadsheet import neutral

from .message_filters import Asked

LINES = 100_000
_MESSAGES_AT_ONCE = 500
COLUMNS = (
    "message", "message_id", "subject", "from", "purpose", "client", "accepted_at", "delivery", "recipient", "state",
    "server", "attempts", "cause", "reply", "updated_at",
)


class CsvLines:
    """RFC 4180, with the names of the columns on the first line."""

    head = (",".join(COLUMNS) + "\r\n").encode()

    def of(self, rows: Sequence[dict[str, Any]]) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerows([neutral(str(row[name])) for name in COLUMNS] for row in rows)
        return text.getvalue().encode("utf-8", "replace")


class JsonLines:
    """One JSON object a line."""

    head = b""

    def of(self, rows: Sequence[dict[str, Any]]) -> bytes:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return "".join(lines).encode("utf-8", "replace")


class Export:
    """The messages of a filter, read batch by batch; at most `LINES` lines."""

    def __init__(self, asked: Asked, lines: CsvLines | JsonLines) -> None:
        self._asked, self._lines = asked, lines
        self._left = LINES
        self._after: Place | None = None
        self._list: MessageList | None = None
        self._is_over = False

    def next_part(self) -> bytes:
        """The next lines, b"" after the last."""
        if self._is_over:
            return b""
        head = b""
        if self._list is None:
            wanted = self._asked.filter
            hits = hits_of(wanted.text, wanted.since, wanted.until) if wanted.text else None
            self._list = MessageList(wanted, hits)
            head = self._lines.head
        page = self._list.page(self._asked.order, _MESSAGES_AT_ONCE, self._after, self._asked.state)
        rows = _rows(page.ids, self._left)
        self._left -= len(rows)
        self._after = page.next
        self._is_over = page.next is None or self._left <= 0
        return head + self._lines.of(rows)


def _rows(ids: Sequence[str], most: int) -> list[dict[str, Any]]:
    places = {id_: place for place, id_ in enumerate(ids)}
    found = Delivery.objects.filter(message_id__in=ids).select_related("message", "server").defer("finding")
    deliveries = sorted(found.iterator(), key=lambda d: (places[d.message_id], d.pk))
    return [_row(delivery) for delivery in deliveries[:most]]


def _row(delivery: Delivery) -> dict[str, Any]:
    message = delivery.message
    return {
        "message": message.pk,
        "message_id": message.message_id,
        "subject": message.subject,
        "from": message.from_header,
        "purpose": message.purpose,
        "client": message.client_name,
        "accepted_at": message.created_at.isoformat(),
        "delivery": delivery.pk,
        "recipient": delivery.recipient,
        "state": delivery.state,
        "server": delivery.server.name if delivery.server else "",
        "attempts": delivery.attempt_count,
        "cause": delivery.cause,
        "reply": delivery.last_reply,
        "updated_at": delivery.updated_at.isoformat(),
    }
