"""Rows of a real PostgreSQL: read and nothing else, values bound, ended in time."""

import socket
import threading
import time
from typing import Any

import psycopg
import pytest
from tests.rig.postgresql import Cluster

from postroom.net import postgresql_rows as reading
from postroom.net.postgresql_rows import PostgresqlPlace, postgresql_rows
from postroom.policy.sql_query import SqlQuery
from postroom.terms.source_fault import SourceFault, SourceFaultKind


@pytest.fixture(scope="module")
def place(postgresql: Cluster) -> PostgresqlPlace:
    name = postgresql.create()
    with psycopg.connect(postgresql.url(name), autocommit=True) as connection:
        connection.execute("CREATE TABLE sale (region text, amount numeric(10, 2), day date)")
        connection.execute(
            "INSERT INTO sale SELECT 'r' || n, n + 0.5, date '2026-11-22' FROM generate_series(1, 2000) n"
        )
        connection.execute(
            "CREATE FUNCTION grow() RETURNS int LANGUAGE sql AS $$INSERT INTO sale VALUES ('x', 1, now()); SELECT 1$$"
        )
    return PostgresqlPlace("127.0.0.1", postgresql.port, name, "postroom", "off")


def rows_of(place: PostgresqlPlace, password: str, query: str, **more: Any) -> tuple[list[str], list[Any]]:
    values = more.get("values", {})
    with postgresql_rows(place, password, SqlQuery.parse(query), values, more.get("timeout_s", 10)) as (columns, rows):
        return columns, list(rows)


def fault(place: PostgresqlPlace, password: str, query: str, **more: Any) -> SourceFault:
    with pytest.raises(SourceFault) as caught:
        rows_of(place, password, query, **more)
    return caught.value


def test_rows_come_with_their_columns_some_at_a_time(place: PostgresqlPlace, postgresql: Cluster) -> None:
    columns, rows = rows_of(place, postgresql.password, "SELECT region, amount, day FROM sale ORDER BY amount")
    assert (columns, len(rows), str(rows[0])) == (
        ["region", "amount", "day"], 2000, "('r1', Decimal('1.50'), datetime.date(2026, 11, 22))",
    )


def test_values_are_bound_and_never_pasted(place: PostgresqlPlace, postgresql: Cluster) -> None:
    query = "SELECT region FROM sale WHERE region = :region AND day = :day::date AND amount > :least"
    values = {"region": "r7", "day": "2026-11-22", "least": 1}
    assert rows_of(place, postgresql.password, query, values=values)[1] == [("r7",)]
    values["region"] = "r7' OR '1'='1"
    assert rows_of(place, postgresql.password, query, values=values)[1] == []


@pytest.mark.parametrize(
    "query",
    [
        "WITH gone AS (DELETE FROM sale RETURNING 1) SELECT * FROM gone", "SELECT grow()",
        "SELECT nextval('none')", "SELECT * FROM missing", "SELECT 1 FROM sale FOR UPDATE",
        "SELECT set_config('transaction_read_only', 'off', false), grow()",
    ],
)
def test_a_query_can_only_read(place: PostgresqlPlace, postgresql: Cluster, query: str) -> None:
    assert fault(place, postgresql.password, query).kind == SourceFaultKind.QUERY
    assert rows_of(place, postgresql.password, "SELECT count(*) FROM sale")[1] == [(2000,)]


def test_s7_a_query_that_takes_too_long_is_ended(
    place: PostgresqlPlace, postgresql: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fault(place, postgresql.password, "SELECT pg_sleep(30)", timeout_s=1).kind == SourceFaultKind.TIMEOUT
    # One that each of its steps would pass: the whole is bounded, too.
    monkeypatch.setattr(reading, "GRACE_S", 0.0)
    monkeypatch.setattr(reading, "ROWS_AT_ONCE", 1)
    slow = "SELECT pg_sleep(0.2) FROM generate_series(1, 1000)"
    assert fault(place, postgresql.password, slow, timeout_s=1).kind == SourceFaultKind.TIMEOUT


def test_who_is_not_let_in_is_told_so_without_the_password(place: PostgresqlPlace) -> None:
    told = fault(place, "canary-7f3a", "SELECT 1")
    assert told.kind == SourceFaultKind.SIGN_IN
    assert "canary" not in f"{told} {told.evidence}"


def test_a_connection_that_has_to_be_encrypted_is_not_made_without(
    place: PostgresqlPlace, postgresql: Cluster
) -> None:
    for tls in ("verified", "encrypted"):
        encrypted = PostgresqlPlace("127.0.0.1", postgresql.port, place.database, place.username, tls)
        assert fault(encrypted, postgresql.password, "SELECT 1").kind == SourceFaultKind.CERTIFICATE


@pytest.mark.parametrize("host", ["169.254.169.254", "fe80::1", "0.0.0.0"])
def test_e1_metadata_and_link_local_addresses_are_never_dialed(place: PostgresqlPlace, host: str) -> None:
    elsewhere = PostgresqlPlace(host, 5432, place.database, place.username, "off")
    assert fault(elsewhere, "x", "SELECT 1").kind == SourceFaultKind.NOT_ALLOWED


def test_a_database_that_is_not_there_is_unreachable(place: PostgresqlPlace) -> None:
    elsewhere = PostgresqlPlace("127.0.0.1", 1, place.database, place.username, "off")
    assert fault(elsewhere, "x", "SELECT 1").kind == SourceFaultKind.UNREACHABLE


def test_s7_a_name_service_that_says_nothing_takes_no_more_than_the_time_of_the_query(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()

    def silent(*_: Any, **__: Any) -> list[Any]:
        released.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    began = time.monotonic()
    try:
        told = fault(PostgresqlPlace("db.example", 5432, "shop", "reader", "off"), "x", "SELECT 1", timeout_s=0.5)
    finally:
        released.set()
    assert told.kind == SourceFaultKind.UNREACHABLE
    assert time.monotonic() - began < 5
