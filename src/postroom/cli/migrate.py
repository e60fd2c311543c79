"""`postroom migrate`: make the tables of the database, or change them for this version."""

import argparse
import os
import sys

from .instance import add_data_argument, data_directory, load_django
from .start_check import start_problems


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    data = data_directory(args.data)
    problems = start_problems(os.environ, data)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    load_django(data)
    from postroom.store.database import shown_database
    from postroom.store.schema import bring_up_to_date

    bring_up_to_date()
    print(f"The tables are those of this version ({shown_database()}).")
    return 0
