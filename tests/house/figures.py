"""The figures of the house: how long functions and files are. `python -m tests.house.figures` prints them."""

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.house.sources import PACKAGE, ROOT, python_files, shown, tree_of

FUNCTION_LINES = 60
FUNCTION_LINES_P90 = 35
FILE_LINES = 500


class Measured(NamedTuple):
    """A function or file and its lines."""

    lines: int
    where: str


def functions_of(folder: Path) -> list[Measured]:
    """Every function below `folder`, longest first, from `def` on; its docstring counts."""
    return sorted((measured for path in python_files(folder) for measured in _functions_in(path)), reverse=True)


def files_of(folder: Path) -> list[Measured]:
    """Every Python file below `folder`, longest first."""
    files = python_files(folder)
    return sorted((Measured(path.read_text().count("\n"), shown(path)) for path in files), reverse=True)


def p90(measured: list[Measured]) -> int:
    """The 90th percentile of lines."""
    return sorted(m.lines for m in measured)[int(len(measured) * 0.9)]


def _functions_in(path: Path) -> Iterator[Measured]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield Measured(lines, f"{shown(path)}:{node.lineno} {node.name}")


def _print_figures(folder: Path) -> None:
    functions, files = functions_of(folder), files_of(folder)
    median = statistics.median(m.lines for m in functions)
    print(
        f"{shown(folder)}: {len(files)} files, longest {files[0].lines} lines ({files[0].where}; limit {FILE_LINES})\n"
        f"  {len(functions)} functions: median {median:g} lines, 90th percentile {p90(functions)} "
        f"(limit {FUNCTION_LINES_P90}), longest {functions[0].lines} ({functions[0].where}; limit {FUNCTION_LINES})"
    )


if __name__ == "__main__":
    for measured_folder in (PACKAGE, ROOT / "tests"):
        _print_figures(measured_folder)
    sys.exit(0)
