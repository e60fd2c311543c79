"""The frequent mail domain that a mistyped one was perhaps meant to be, such as gmail.com for gmial.com."""

import tomllib
from functools import cache
from importlib.resources import files

# Shorter names have too many real neighbours.
_LETTERS = 5


def meant_domain(domain: str, *, is_missing: bool = False) -> str:
    """The frequent domain one letter away, "" when there is none; `is_missing` allows two letters."""
    frequent, at_home, real = _lists()
    if domain in frequent or domain in real:
        return ""
    name, _, top = domain.partition(".")
    for home in at_home:
        if name == home.partition(".")[0] and top != home.partition(".")[2]:
            return home
    most = 2 if is_missing else 1
    near = [(_distance(domain, each), each) for each in frequent if _may_be(domain, each, is_missing)]
    best = min(near, default=(most + 1, ""))
    return best[1] if best[0] <= most else ""


def _may_be(domain: str, frequent: str, is_missing: bool) -> bool:
    """A name of few letters is only compared when nothing answers to it; a known name elsewhere may be real."""
    name, known = domain.partition(".")[0], frequent.partition(".")[0]
    if abs(len(domain) - len(frequent)) > 2:
        return False
    return is_missing or (len(known) >= _LETTERS and name != known)


def _distance(left: str, right: str) -> int:
    """Letters to insert, remove, replace or swap with their neighbour (optimal string alignment)."""
    rows = [[i + j if i * j == 0 else 0 for j in range(len(right) + 1)] for i in range(len(left) + 1)]
    for i in range(1, len(left) + 1):
        for j in range(1, len(right) + 1):
            differs = left[i - 1] != right[j - 1]
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + differs)
            if i > 1 and j > 1 and left[i - 1] == right[j - 2] and left[i - 2] == right[j - 1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


@cache
def _lists() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    table = tomllib.loads((files(__package__) / "frequent.toml").read_text(encoding="utf-8"))
    return tuple(table["frequent"]), tuple(table["at_home"]), tuple(table["real"])
