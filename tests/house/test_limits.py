"""Nothing in the house grows beyond what a reader takes in at once."""

from pathlib import Path

import pytest
from tests.house.figures import FILE_LINES, FUNCTION_LINES, FUNCTION_LINES_P90, files_of, functions_of, p90
from tests.house.sources import PACKAGE, ROOT

FOLDERS = pytest.mark.parametrize("folder", [PACKAGE, ROOT / "tests"], ids=["src", "tests"])


@FOLDERS
def test_no_function_is_longer_than_60_lines(folder: Path) -> None:
    assert [m for m in functions_of(folder) if m.lines > FUNCTION_LINES] == []


@FOLDERS
def test_nine_of_ten_functions_have_at_most_35_lines(folder: Path) -> None:
    assert p90(functions_of(folder)) <= FUNCTION_LINES_P90


@FOLDERS
def test_no_file_is_longer_than_500_lines(folder: Path) -> None:
    assert [m for m in files_of(folder) if m.lines > FILE_LINES] == []
