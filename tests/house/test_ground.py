"""The suite stands on a directory of its own, never on somebody's data, and every part of it is run by `make test`."""

import re
import sqlite3
from pathlib import Path

import pytest
from django.conf import settings
from tests.house.sources import ROOT, python_files

from postroom.store.models import InstanceValue


def test_django_uses_this_process_own_data_directory(data_dir: Path) -> None:
    assert data_dir == settings.DATA_DIR
    assert data_dir.stat().st_mode & 0o777 == 0o700


@pytest.mark.django_db(transaction=True)
def test_the_test_database_is_the_file_that_code_outside_of_django_opens(data_dir: Path) -> None:
    InstanceValue.objects.create(name="ground", value=1)
    with sqlite3.connect(data_dir / "postroom.sqlite3") as connection:
        assert connection.execute("SELECT value FROM store_instancevalue WHERE name = 'ground'").fetchone() == ("1",)


def test_whatever_is_marked_lies_where_the_makefile_looks_for_it() -> None:
    places = {"interop": {"interop", "bench", "browser"}, "browser": {"browser"}, "crash": {"crash", "submission"}}
    marks = {
        (mark, path.relative_to(ROOT / "tests").parts[0])
        for path in python_files(ROOT / "tests")
        for mark in re.findall(r"pytest\.mark\.(interop|browser|crash)\b", path.read_text())
    }
    assert {mark for mark, _ in marks} == set(places)
    assert {(mark, folder) for mark, folder in marks if folder not in places[mark]} == set()
