"""The installation that a command works on: its data directory, and Django standing on it."""

import argparse
import os
import sys
from pathlib import Path

from .database_check import VARIABLE, database_problems

DATABASE = "postroom.sqlite3"


def add_data_argument(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """The option --data, which every command on an installation has."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=default,
        help="data directory (default: $POSTROOM_DATA, else data in the current directory)",
    )


def data_directory(given: Path | None) -> Path:
    """The data directory, absolute: what --data gave, else POSTROOM_DATA, else ./data."""
    return (given or Path(os.environ.get("POSTROOM_DATA") or "data")).expanduser().absolute()


def load_django(data: Path) -> None:
    """Let Django stand on the data directory `data`, in this process and those it starts. Files made are private."""
    os.umask(0o077)
    os.environ["POSTROOM_DATA"] = str(data)
    os.environ["DJANGO_SETTINGS_MODULE"] = "postroom.settings"
    import django

    django.setup()


def open_instance(given: Path | None) -> bool:
    """Open an installation that exists; False, with a sentence on standard error, where there is none."""
    data = data_directory(given)
    if os.environ.get(VARIABLE):
        return _open_shared(data)
    if not (data / DATABASE).is_file():
        print(f"There is no Postroom in {data}. Start it once with: postroom run --data {data}", file=sys.stderr)
        return False
    load_django(data)
    return True


def _open_shared(data: Path) -> bool:
    """Open an installation whose database other machines may use, too; its tables must be those of this version."""
    problems = [*database_problems(os.environ, data)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return False
    load_django(data)
    from postroom.store.schema import is_current

    if not is_current():
        print(f"The tables in the database of {VARIABLE} are not of this version: postroom migrate", file=sys.stderr)
        return False
    return True
