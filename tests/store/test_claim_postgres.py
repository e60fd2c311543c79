"""What a claim on PostgreSQL costs does not depend on what lies in the queue."""

from datetime import timedelta

import psycopg
import pytest
from tests.outbox import NOW, add_server, rows

from postroom.store import claim_postgres
from postroom.store.ids import new_id

QUEUED = 20_000
FILL_MESSAGES = (
    "INSERT INTO store_message (id, client_name, server_id, message_id, reverse_path, from_header, subject, purpose,"
    " priority, content_digest, content_size, needs_8bit, needs_smtputf8, attachments, tags, metadata, created_at,"
    " expires_at) SELECT 'M' || n, '', ?, '<' || n || '@x>', '', 'x', '', 'report', 0, '', 1, false, false, '[]', '[]',"
    " '{}', ?, ? FROM generate_series(1, ?) AS n"
)
FILL_DELIVERIES = (
    "INSERT INTO store_delivery (id, message_id, recipient, state, due_at, priority, turn_key, attempt_count, fence,"
    " uncertain_count, server_id, last_reply, cause, updated_at)"
    " SELECT 'D' || n, 'M' || n, 'r@x', CASE WHEN mod(n, 2) = 0 THEN 'queued' ELSE 'sent' END,"
    " ?::timestamptz + n * interval '1 second', mod(n, 3), 'client' || mod(n, 4), 0, 0, 0, ?, '', '', ?"
    " FROM generate_series(1, ?) AS n"
)


@pytest.fixture
def server_id(postgresql_database: str) -> str:
    server_id = add_server(postgresql_database)
    rows(postgresql_database, FILL_MESSAGES, server_id, NOW, NOW + timedelta(days=9), QUEUED)
    rows(postgresql_database, FILL_DELIVERIES, NOW, server_id, NOW, QUEUED)
    rows(postgresql_database, "ANALYZE")
    return server_id


def read_by(connection: "psycopg.Connection[tuple[object, ...]]", statement: str, values: object) -> tuple[str, int]:
    """The plan of a statement, and how many rows of deliveries it took from tables and indexes."""
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values)  # type: ignore[arg-type]
        ((found,),) = cursor.fetchall()
    plan, taken, waiting = found[0]["Plan"], 0, [found[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        if node.get("Relation Name") == "store_delivery":
            taken += (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return str(plan), taken


def test_a_claim_reads_what_it_takes_and_no_more_out_of_the_index_of_what_waits(
    postgresql_database: str, server_id: str
) -> None:
    now = NOW + timedelta(days=1)
    with psycopg.connect(postgresql_database) as connection:
        plan, taken = read_by(connection, claim_postgres._RANGES, {"server": server_id, "now": now})
        assert "delivery_next" in plan
        assert "Seq Scan" not in plan.replace("WorkTable Scan", "")
        assert taken < 100
        plan, taken = read_by(
            connection, claim_postgres._DUE, (server_id, 2, "client1", now, now, [new_id()], 30)
        )
        assert "delivery_next" in plan
        assert taken <= 31
