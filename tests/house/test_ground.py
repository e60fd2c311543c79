"""The suite stands on a directory of its own, never on somebody's data."""

import sqlite3
from pathlib import Path

import pytest
from django.conf import settings

from postroom.store.models import InstanceValue


def test_django_uses_this_process_own_data_directory(data_dir: Path) -> None:
    assert data_dir == settings.DATA_DIR
    assert data_dir.stat().st_mode & 0o777 == 0o700


@pytest.mark.django_db(transaction=True)
def test_the_test_database_is_the_file_that_code_outside_of_django_opens(data_dir: Path) -> None:
    InstanceValue.objects.create(name="ground", value=1)
    with sqlite3.connect(data_dir / "postroom.sqlite3") as connection:
        assert connection.execute("SELECT value FROM store_instancevalue WHERE name = 'ground'").fetchone() == ("1",)
