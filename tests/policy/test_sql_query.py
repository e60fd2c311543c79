"""The parameters of a query are found where they are code, and nowhere else."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.policy.sql_query import QueryProblem, SqlQuery


@pytest.mark.parametrize(
    ("text", "numbered"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1"),
        ("SELECT ':a' || :b", "SELECT ':a' || $1"),
        ('SELECT ":a" FROM t WHERE x = :b', 'SELECT ":a" FROM t WHERE x = $1'),
        ("SELECT :day::date", "SELECT $1::date"),
        ("SELECT 1 -- :a\n, :b", "SELECT 1 -- :a\n, $1"),
        ("SELECT /* :a; */ :b", "SELECT /* :a; */ $1"),
        ("SELECT $x$:a;$x$, :b", "SELECT $x$:a;$x$, $1"),
        ("SELECT E'it\\'s :a', :b", "SELECT E'it\\'s :a', $1"),
        ("SELECT '100%', :b;  ", "SELECT '100%', $1"),
        ("(SELECT 1) UNION (SELECT :b)", "(SELECT 1) UNION (SELECT $1)"),
    ],
)
def test_parameters_are_numbered_outside_of_strings_names_and_comments(text: str, numbered: str) -> None:
    assert SqlQuery.parse(text).numbered("$") == numbered


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"), (" ; ", "empty"), ("SELECT 1; SELECT 2", "several"), ("DELETE FROM t", "not-reading"),
        ("-- SELECT\nUPDATE t SET a = 1", "not-reading"), ("SELECT 1" + " " * 100_001 + "x", "long"),
    ],
)
def test_what_is_not_one_statement_that_reads_is_refused(text: str, code: str) -> None:
    with pytest.raises(QueryProblem) as caught:
        SqlQuery.parse(text)
    assert caught.value.code == code


@given(st.text("abS:;'\"$/*-\\ \n(", max_size=200))
def test_b12_any_text_is_parsed_or_refused_and_nothing_of_it_is_lost(text: str) -> None:
    try:
        query = SqlQuery.parse(f"SELECT {text}")
    except QueryProblem:
        return
    rebuilt = query.pieces[0] + "".join(
        f":{name}{piece}" for name, piece in zip(query.places, query.pieces[1:], strict=True)
    )
    assert rebuilt == f"SELECT {text}".strip().rstrip(";").rstrip()


@pytest.mark.parametrize("piece", ["'", "/*a*/", "$a$", "e'\\", "(", "-- \n", ":a", "$$a$b$"])
def test_b12_long_texts_take_time_in_proportion(piece: str) -> None:
    began = time.perf_counter()
    for start in ("SELECT ", ""):
        try:
            SqlQuery.parse(start + piece * (90_000 // len(piece)))
        except QueryProblem:
            continue
    assert time.perf_counter() - began < 2
