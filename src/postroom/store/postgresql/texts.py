"""PostgreSQL's texts and JSON hold every character but NUL. What others wrote may contain one: it is stored, and looked
for, as the replacement character."""

import json
from typing import Any

NUL, REPLACED = "\0", "\N{REPLACEMENT CHARACTER}"


def without_nul(value: Any) -> Any:
    """The value, texts in lists and mappings included, as PostgreSQL can hold it."""
    if isinstance(value, str):
        return value.replace(NUL, REPLACED) if NUL in value else value
    if isinstance(value, dict):
        return {without_nul(name): without_nul(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nul(each) for each in value]
    return value


def json_text(value: Any, **options: Any) -> str:
    """As `json.dumps`, as PostgreSQL can hold it."""
    text = json.dumps(value, **options)
    return json.dumps(without_nul(value), **options) if "\\u0000" in text else text
