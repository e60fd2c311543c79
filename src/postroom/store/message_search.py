"""What somebody typed into the search, as messages: an id, a Message-ID, an address, a server, or a piece of text.

Whole addresses and ids are found through an index among all messages. A piece of text is looked for in every recipient
and in the subjects of the newest messages; `Hits` tells how far back. No index of words is kept, so accepting a message
costs nothing for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from .dialect import has_row_numbers, indexed_by, like, unordered
from .ids import id_at
from .models import Delivery, Message, SmtpServer

HITS = 1_000
# Subjects are read one by one: at about half a microsecond each on SQLite.
SUBJECTS = 15_000
# One message may have a thousand recipients that fit.
_RECIPIENT_ROWS = 3_000
_SERVER_CHARACTERS = 4
# After every id, in whatever order a database puts signs: ids begin with a digit.
_LAST_ID = "Z"


@dataclass(frozen=True, slots=True)
class Hits:
    """Ids of the messages, at most `HITS`, the newest. `recipients` are the addresses where the text is one of those.

    `is_cut`: there may be older ones. `subjects_since`: subjects of earlier messages were not looked at.
    """

    ids: list[str]
    recipients: tuple[str, ...] = ()
    is_cut: bool = False
    subjects_since: datetime | None = None


def hits_of(text: str, since: datetime | None, until: datetime | None) -> Hits:
    """The messages of that period which the text means."""
    first, last = _bound(since, ""), _bound(until, _LAST_ID)
    return _by_id(text) or _by_address(text, first, last) or _by_piece(text, first, last)


def _by_id(text: str) -> Hits | None:
    """The message of an id of ours, a delivery's included, or of a Message-ID."""
    if len(text) == 26 and text.isascii() and text.isalnum():
        of_delivery = Delivery.objects.filter(pk=text.upper()).values_list("message_id", flat=True)
        found = [*Message.objects.filter(pk=text.upper()).values_list("pk", flat=True), *of_delivery]
        if found:
            return Hits(found)
    if "@" in text and " " not in text:
        same = Message.objects.filter(message_id=f"<{text.strip('<>')}>").order_by("-pk")
        found = list(same.values_list("pk", flat=True)[: HITS + 1])
        if found:
            return Hits(found[:HITS], is_cut=len(found) > HITS)
    return None


def _by_address(text: str, first: str, last: str) -> Hits | None:
    """Messages to exactly that address; its domain is stored in small letters."""
    local_part, at, domain = text.rpartition("@")
    if not at or " " in text:
        return None
    forms = tuple(dict.fromkeys((text, f"{local_part}@{domain.lower()}", text.lower())))
    found = [id_ for form in forms for id_ in _newest(
        f"SELECT DISTINCT message_id FROM store_delivery{indexed_by('delivery_to')} WHERE recipient = %s"
        " AND message_id >= %s AND message_id < %s ORDER BY message_id DESC LIMIT %s",
        (form, first, last, HITS + 1),
    )]
    return _bounded(found, forms) if found else None


def _by_piece(text: str, first: str, last: str) -> Hits:
    """Messages whose recipient or subject holds the text, or whose server's name begins with it."""
    found: list[str] = []
    rows_cut = False
    # No address of ours has a space; a quoted local part may, but nobody searches for it.
    for pattern in _patterns(text) if " " not in text else ():
        # The plus keeps the order from choosing the index: the one named here has all that is needed.
        rows = _newest(
            # CASE looks at the text first, which most rows lack: a quarter faster.
            f"SELECT message_id FROM store_delivery{indexed_by('delivery_to')} WHERE CASE WHEN recipient {like()} %s"
            f" ESCAPE '\\' THEN message_id >= %s AND message_id < %s ELSE FALSE END"
            f" ORDER BY {unordered('message_id')} DESC LIMIT %s",
            (pattern, first, last, _RECIPIENT_ROWS),
        )
        rows_cut = rows_cut or len(rows) == _RECIPIENT_ROWS
        found += rows
    if len(text) >= _SERVER_CHARACTERS:
        for server in SmtpServer.objects.filter(name__istartswith=text).values_list("pk", flat=True):
            found += _newest(
                f"SELECT DISTINCT message_id FROM store_delivery{indexed_by('delivery_server')} WHERE server_id = %s"
                " AND message_id >= %s AND message_id < %s ORDER BY message_id DESC LIMIT %s",
                (server, first, last, HITS + 1),
            )
    subjects, since = _by_subject(text, first, last)
    hits = _bounded([*found, *subjects], ())
    return Hits(hits.ids, (), hits.is_cut or rows_cut, since)


def _by_subject(text: str, first: str, last: str) -> tuple[list[str], datetime | None]:
    """Ids, and the acceptance of the oldest message that was looked at when older ones were not."""
    found, older = (_by_place if has_row_numbers() else _by_id_order)(_patterns(text), first, last)
    since = None if older is None else Message.objects.values_list("created_at", flat=True).get(pk=older)
    return found, since


def _by_id_order(patterns: list[str], first: str, last: str) -> tuple[list[str], str | None]:
    """Ids, and the newest that was not looked at."""
    newest = "SELECT id, subject FROM store_message WHERE id >= %s AND id < %s ORDER BY id DESC LIMIT %s"
    likes = " OR ".join(f"subject {like()} %s ESCAPE '\\'" for _ in patterns)
    found = _newest(
        f"SELECT id FROM ({newest}) AS newest WHERE {likes} ORDER BY id DESC LIMIT %s",
        (first, last, SUBJECTS, *patterns, HITS + 1),
    )
    older = _newest(
        "SELECT id FROM store_message WHERE id >= %s AND id < %s ORDER BY id DESC OFFSET %s LIMIT 1",
        (first, last, SUBJECTS),
    )
    return found, older[0] if older else None


def _by_place(patterns: list[str], first: str, last: str) -> tuple[list[str], str | None]:
    """As `_by_id_order`, by the place in the table, which is the order of acceptance: following an index would take
    SQLite three times as long."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rowid FROM store_message WHERE id < %s ORDER BY id DESC LIMIT 1", (last,))
        row = cursor.fetchone()
    if row is None:
        return [], None
    top = row[0]
    likes = " OR ".join("subject LIKE %s ESCAPE '\\'" for _ in patterns)
    found = _newest(
        "SELECT id FROM store_message NOT INDEXED WHERE rowid <= %s AND rowid > %s"
        f" AND CASE WHEN {likes} THEN id >= %s AND id < %s ELSE FALSE END ORDER BY rowid DESC LIMIT %s",
        (top, top - SUBJECTS, *patterns, first, last, HITS + 1),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM store_message WHERE rowid <= %s AND id >= %s ORDER BY rowid DESC LIMIT 1",
            (top - SUBJECTS, first),
        )
        older = cursor.fetchone()
    return found, None if older is None else older[0]


def _patterns(text: str) -> list[str]:
    """LIKE of SQLite knows small and capital letters of ASCII only; of others the usual forms are asked for."""
    forms = [text] if text.isascii() else [text, text.lower(), text.upper(), text.capitalize()]
    escaped = (form.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for form in forms)
    return list(dict.fromkeys(f"%{form}%" for form in escaped))


def _bounded(found: Iterable[str], recipients: tuple[str, ...]) -> Hits:
    ids = sorted(set(found), reverse=True)
    return Hits(ids[:HITS], recipients, len(ids) > HITS)


def _bound(at: datetime | None, otherwise: str) -> str:
    return otherwise if at is None else id_at(at)


def _newest(statement: str, values: tuple[str | int, ...]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [row[0] for row in cursor.fetchall()]
