"""JSON that has one reading (RFC 8259, RFC 7493): no duplicate names, no NaN, bounded depth (B6, W11)."""

import json
import math
import re
from typing import Any, NoReturn

# No field of ours nests deeper than five; the reader of the standard library fails somewhere near a thousand.
DEPTH = 32
# A batch of 1,000 messages to 1,000 recipients each has fewer; each value takes some 60 octets of memory and more.
VALUES = 1_500_000
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


class JsonProblem(ValueError):
    """The octets aren't JSON that is accepted; the text says why."""


def strict_json(octets: bytes) -> Any:
    """The value that `octets` hold, as UTF-8. Raises JsonProblem."""
    if len(octets) > VALUES and _most_values(octets) > VALUES:
        raise JsonProblem(f"The body has more than {VALUES:,} values.")
    try:
        value = _read(octets.decode())
    except UnicodeDecodeError:
        raise JsonProblem("The body isn't UTF-8.") from None
    except json.JSONDecodeError as error:
        raise JsonProblem(f"The body isn't JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from None
    except RecursionError:
        raise JsonProblem(f"The body nests deeper than {DEPTH} levels.") from None
    except JsonProblem:
        raise
    except ValueError:
        raise JsonProblem("The body has a number that is too long.") from None
    if octets.count(b"{") + octets.count(b"[") > DEPTH and _is_deeper(value, DEPTH):
        raise JsonProblem(f"The body nests deeper than {DEPTH} levels.")
    return value


def _most_values(octets: bytes) -> int:
    """How many values there can be at most, names of fields among them. Marks within strings count only while that is
    few enough: taking the strings out lets no other thread run meanwhile."""
    marks = (b",", b":", b"[", b"{")
    most = sum(map(octets.count, marks))
    return most if most <= VALUES else sum(map(_STRING.sub(b"", octets).count, marks))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise JsonProblem(f"The body names {twice[:80]!r} twice in one object.")
    return value


def _refused_constant(name: str) -> NoReturn:
    raise JsonProblem(f"{name} isn't a JSON value.")


def _finite(text: str) -> float:
    """RFC 7493 section 2.2: what no double can hold, such as 1e999, would come back as the Infinity that isn't JSON."""
    value = float(text)
    if math.isinf(value):
        raise JsonProblem("The body has a number that is too large.")
    return value


_read = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refused_constant, parse_float=_finite).decode


def _is_deeper(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        return levels == 0 or any(_is_deeper(inner, levels - 1) for inner in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_is_deeper(inner, levels - 1) for inner in value)
    return False
