"""Conditions of a subscription: when a report is worth sending."""

from typing import Any

import pytest

from postroom.policy.run_conditions import Verdict, judged


@pytest.mark.parametrize(
    ("conditions", "rows", "digest", "verdict"),
    [
        ({}, None, "a", Verdict.SEND), ({}, 1, "a", Verdict.SEND), ({}, 0, "a", Verdict.EMPTY),
        ({"least_rows": None}, 0, "a", Verdict.EMPTY), ({"least_rows": 0}, 0, "a", Verdict.SEND),
        ({"least_rows": 2}, 1, "a", Verdict.SKIP), ({"least_rows": 2}, 2, "a", Verdict.SEND),
        ({"least_rows": 2}, None, "a", Verdict.SEND), ({"only_if_changed": True}, 1, "last", Verdict.SKIP),
        ({"only_if_changed": True}, 1, "a", Verdict.SEND), ({"only_if_changed": False}, 1, "last", Verdict.SEND),
        ({"least_rows": 0, "only_if_changed": True}, 0, "last", Verdict.SKIP),
    ],
)
def test_a_report_is_sent_skipped_or_empty(
    conditions: dict[str, Any], rows: int | None, digest: str, verdict: Verdict
) -> None:
    found = judged(conditions, rows, digest, "last")
    assert found.verdict is verdict
    assert bool(found.slug) is (verdict is not Verdict.SEND)
