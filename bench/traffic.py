"""The mail of the benchmark: messages of 5 KB, all different."""

from typing import Any

SIZE_BYTES = 5_000
_LINE = "Depot 17 handed over 4,311 parcels, 12 more than on the day before.\n"


def body(number: int, run: str) -> dict[str, Any]:
    """A message for the API of about `SIZE_BYTES`."""
    text = f"Run {run}, message {number}.\n" + _LINE * (SIZE_BYTES // len(_LINE))
    return {"to": ["someone@example.org"], "subject": f"Depot report {number}", "text": text}
