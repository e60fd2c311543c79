"""Events are written by triggers of the database, which exist only while a webhook wants what they write.

So an event is in the commit of the change it tells of, whoever makes that change: the group writer's raw statements,
the pages, a command. What nobody wants to hear costs nothing at all, and there is no flag that could be out of date in
another process. A trigger's name holds a digest of its text, so that `arrange` sees by the names alone what differs.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from django.db import connection

from postroom.terms.event import SUBSCRIBABLE, EventKind

from .models import Webhook

_PREFIX = "event_of_"
_WAITS_AGAIN = "NEW.state IN ('queued', 'deferred', 'uncertain') AND OLD.state IN ('failed', 'held', 'cancelled')"


@dataclass(frozen=True, slots=True)
class _Watch:
    """What of a table is watched: `when` as in CREATE TRIGGER, each kind with its condition, `facts` by name."""

    name: str
    table: str
    when: str
    at: str
    kinds: tuple[tuple[EventKind, str], ...]
    facts: tuple[tuple[str, str], ...]
    subject: str = "NEW.id"


def _becomes(state: str) -> str:
    return f"NEW.state = '{state}' AND OLD.state <> '{state}'"


_DELIVERY = (
    ("delivery", "NEW.id"), ("message", "NEW.message_id"), ("recipient", "NEW.recipient"), ("state", "NEW.state"),
    ("attempt", "NEW.attempt_count"), ("server", "NEW.server_id"), ("cause", "NEW.cause"), ("reply", "NEW.last_reply"),
    ("due_at", "NEW.due_at"),
)
_RUN = (
    ("run", "NEW.id"), ("subscription", "NEW.subscription_id"), ("state", "NEW.state"), ("cause", "NEW.cause"),
    ("try", "NEW.try_number"), ("planned", "NEW.planned"), ("queued", "NEW.queued"), ("left_out", "NEW.left_out"),
)
_ALERT = (
    ("alert", "NEW.id"), ("kind", "NEW.kind"), ("about", "NEW.subject"), ("severity", "NEW.severity"),
    ("server", "NEW.server_id"), ("link", "NEW.link"),
)
_WATCHED = (
    _Watch("delivery", "store_delivery", "INSERT", "NEW.updated_at",
           ((EventKind.QUEUED, "NEW.state = 'queued'"),), _DELIVERY),
    # A lease that is given back untried takes its attempt back, and is no deferral.
    _Watch("delivery_state", "store_delivery", "UPDATE OF state", "NEW.updated_at", (
        (EventKind.SENT, _becomes("sent")),
        (EventKind.UNCERTAIN, "NEW.uncertain_count > OLD.uncertain_count"),
        (EventKind.DEFERRED,
         "NEW.state = 'deferred' AND OLD.state = 'sending' AND NEW.attempt_count >= OLD.attempt_count"),
        (EventKind.FAILED, _becomes("failed")),
        (EventKind.HELD, f"{_becomes('held')} AND NEW.uncertain_count = OLD.uncertain_count"),
        (EventKind.CANCELLED, _becomes("cancelled")),
        (EventKind.QUEUED, _WAITS_AGAIN),
    ), _DELIVERY),
    _Watch("bounce", "store_bounce", "INSERT", "NEW.at", (
        (EventKind.BOUNCED, "NEW.kind = 'failed'"), (EventKind.COMPLAINED, "NEW.kind = 'complaint'"),
    ), (
        ("delivery", "NEW.delivery_id"), ("message", "NEW.message_id"), ("recipient", "NEW.recipient"),
        ("status", "NEW.status"), ("reply", "NEW.diagnostic"), ("cause", "NEW.cause"),
        ("permanent", "NEW.is_permanent"),
    )),
    _Watch("suppression", "store_suppression", "INSERT", "NEW.since",
           ((EventKind.UNSUBSCRIBED, "NEW.reason = 'unsubscribe'"),),
           (("recipient", "NEW.address"), ("list", "NEW.list_name"))),
    _Watch("run", "store_run", "UPDATE OF state", "{now}", (
        (EventKind.RUN_STARTED, "NEW.state = 'fetching' AND OLD.state = 'waiting'"),
        (EventKind.RUN_SUCCEEDED, _becomes("success")),
        (EventKind.RUN_WARNING, _becomes("warning")),
        (EventKind.RUN_FAILED, _becomes("error")),
        (EventKind.RUN_SKIPPED, _becomes("skipped")),
        (EventKind.RUN_CANCELLED, _becomes("cancelled")),
    ), _RUN),
    _Watch("alert", "store_alert", "INSERT", "NEW.opened_at", ((EventKind.ALERT_OPENED, "1 = 1"),), _ALERT),
    _Watch("alert_end", "store_alert", "UPDATE OF closed_at", "NEW.closed_at",
           ((EventKind.ALERT_CLOSED, "NEW.closed_at IS NOT NULL AND OLD.closed_at IS NULL"),), _ALERT),
)


def arrange() -> None:
    """Have triggers for exactly what the webhooks that work want to hear; call it in the transaction that changes a
    webhook, and once the tables are up to date. Raises DatabaseError."""
    wanted = {name: texts for watch in _WATCHED for name, texts in _triggers(watch, _wanted_kinds())}
    existing = _existing()
    with connection.cursor() as cursor:
        for name, table in existing.items():
            if name not in wanted:
                _drop(name, table)
        for name, texts in wanted.items():
            for text in texts if name not in existing else ():
                cursor.execute(text)


def remove_all() -> None:
    """Have none, before tables are made anew that they stand on."""
    for name, table in _existing().items():
        _drop(name, table)


def _wanted_kinds() -> set[str]:
    wanted: set[str] = set()
    for kinds in Webhook.objects.filter(paused_for="").values_list("events", flat=True):
        wanted.update(kinds or SUBSCRIBABLE)
    return wanted


def _triggers(watch: _Watch, wanted: Collection[str]) -> list[tuple[str, list[str]]]:
    """The trigger for a watch, as its name and the statements that make it; none where nobody wants its events."""
    kinds = [(kind, condition) for kind, condition in watch.kinds if kind in wanted]
    if not kinds:
        return []
    condition = " OR ".join(f"({condition})" for _, condition in kinds)
    kind = f"CASE {' '.join(f'WHEN {condition} THEN {kind.value!r}' for kind, condition in kinds)} END"
    make = _on_sqlite if _is_sqlite() else _on_postgresql
    texts = make("{name}", watch, condition, kind)
    name = f"{_PREFIX}{watch.name}_{hashlib.sha256(''.join(texts).encode()).hexdigest()[:12]}"
    return [(name, [text.replace("{name}", name) for text in texts])]


def _on_sqlite(name: str, watch: _Watch, condition: str, kind: str) -> list[str]:
    # A row that is damaged may hold octets where a text should be; JSON refuses them, and with them the whole commit.
    facts = ", ".join(f"'{key}', CASE typeof({value}) WHEN 'blob' THEN NULL ELSE {value} END"
                      for key, value in watch.facts)
    at = watch.at.replace("{now}", "strftime('%Y-%m-%d %H:%M:%f', 'now')")
    return [
        f"CREATE TRIGGER {name} AFTER {watch.when} ON {watch.table} WHEN {condition} BEGIN"
        f" INSERT INTO store_event (kind, at, subject, facts)"
        f" VALUES ({kind}, {at}, {watch.subject}, json_object({facts})); END"
    ]


def _on_postgresql(name: str, watch: _Watch, condition: str, kind: str) -> list[str]:
    facts = ", ".join(f"'{key}', {value}" for key, value in watch.facts)
    at = watch.at.replace("{now}", "clock_timestamp()")
    return [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN"
        f" INSERT INTO store_event (kind, at, subject, facts)"
        f" VALUES ({kind}, {at}, {watch.subject}, jsonb_build_object({facts})); RETURN NULL; END $body$",
        f"CREATE TRIGGER {name} AFTER {watch.when} ON {watch.table} FOR EACH ROW WHEN ({condition})"
        f" EXECUTE FUNCTION {name}()",
    ]


def _existing() -> dict[str, str]:
    """The triggers that are there: the table of each."""
    with connection.cursor() as cursor:
        if _is_sqlite():
            cursor.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute(
                "SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
                " WHERE NOT t.tgisinternal AND pg_table_is_visible(c.oid)"
            )
        return {name: table for name, table in cursor.fetchall() if name.startswith(_PREFIX)}


def _drop(name: str, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}" if _is_sqlite() else f"DROP TRIGGER {name} ON {table}")
        if not _is_sqlite():
            cursor.execute(f"DROP FUNCTION {name}()")


def _is_sqlite() -> bool:
    return connection.vendor == "sqlite"
