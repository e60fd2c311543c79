"""What vendors and RFCs document leads to the cause that they document."""

import json
from pathlib import Path
from typing import Any

import pytest

from postroom.diagnosis.text import finding_of_text

FILE = Path(__file__).with_name("documented.jsonl")
CASES = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['cause']}: {case['basis']}")
def test_a_documented_reply_leads_to_its_cause(case: dict[str, Any]) -> None:
    assert finding_of_text(case["text"], case["config"], case["client"]).cause == case["cause"]
