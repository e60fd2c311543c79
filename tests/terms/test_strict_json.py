"""JSON of a stranger costs no more memory than its size suggests (B6)."""

import json

import pytest

from postroom.terms.strict_json import VALUES, JsonProblem, strict_json


@pytest.mark.parametrize("value", ["[]", "{}", "1", '{"a":1}'])
def test_b6_a_body_of_countless_small_values_is_refused_before_they_are_made(value: str) -> None:
    with pytest.raises(JsonProblem, match="values"):
        strict_json(f'{{"to":[{",".join([value] * (VALUES + 1))}]}}'.encode())


def test_b6_marks_inside_of_text_are_no_values() -> None:
    document = {"text": '[{,:"\\' * (VALUES // 3)}
    assert strict_json(json.dumps(document).encode()) == document
