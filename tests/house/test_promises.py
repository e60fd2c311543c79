"""docs/promises.md is true: each promise that it calls kept names tests that are there, and no promise is forgotten."""

import ast
import re
from pathlib import Path

from tests.house.sources import PACKAGE, ROOT, python_files, tree_of

TEXT = (ROOT / "docs" / "promises.md").read_text()
ROW = re.compile(r"^\| ([A-Z]\d+) \| [^|]+ \| (\w+) \| (.*?) ?\|$", re.MULTILINE)
ROWS = {match.group(1): (match.group(2), re.findall(r"`([^`]+)`", match.group(3))) for match in ROW.finditer(TEXT)}
# An id in code or in a test's name, such as "(D1)" or test_t4_…; other letters with digits are no promises.
IN_TEXT = re.compile(r"\((?:[A-Z]\d{1,2}, )*([DUBPTEWMSO]\d{1,2})(?:, [A-Z]\d{1,2})*\)")
IN_NAME = re.compile(r"^test_((?:[dubptewmso]\d{1,2}_)+)")


def functions_in(path: Path) -> dict[str, ast.AST]:
    """Test functions of a file by name."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name: node for node in ast.walk(tree_of(path)) if isinstance(node, functions)}


def test_every_promise_that_is_kept_names_tests_that_are_there() -> None:
    missing = []
    for promise, (kept, named) in ROWS.items():
        assert kept in ("yes", "part", "no"), promise
        assert bool(named) == (kept != "no"), promise
        for place in named:
            name, _, function = place.partition("::")
            path = ROOT / "tests" / name
            if not path.is_file() or function not in functions_in(path):
                missing.append(f"{promise}: {place}")
    assert missing == []


def test_every_promise_that_code_or_tests_speak_of_is_in_the_table() -> None:
    files = [*python_files(PACKAGE), *python_files(ROOT / "tests")]
    spoken = {match.group(1) for path in files for match in IN_TEXT.finditer(path.read_text())}
    for path in python_files(ROOT / "tests"):
        for name in functions_in(path):
            if match := IN_NAME.match(name):
                spoken |= {promise.upper() for promise in match.group(1).strip("_").split("_")}
    assert len(spoken) > 20
    assert sorted(spoken - set(ROWS)) == []


def test_no_promise_is_left_out() -> None:
    last = {"D": 14, "U": 10, "B": 15, "P": 12, "T": 10, "E": 9, "W": 11, "M": 7, "S": 8, "O": 9}
    never_given = {"U7", "B7", "E7", "E8"}
    promised = {f"{letter}{number}" for letter, count in last.items() for number in range(1, count + 1)} - never_given
    assert set(ROWS) == promised
