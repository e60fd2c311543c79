"""`python -m tests.crash.migrating TARGET N`: bring the tables up to date, or to a migration; die before statement N.

Statements are those of the database and its commits; 0 dies at none. Prints how many there were.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any


class Fuse:
    """Ends the process as kill -9 does when the count comes to its number."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.count = 0

    def burn(self) -> None:
        self.count += 1
        if self.count == self._number:
            os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self.burn()
        return execute(sql, params, many, context)


def main(target: str, number: int) -> int:
    from postroom.cli.instance import data_directory, load_django

    load_django(data_directory(None))
    from django.core.management import call_command
    from django.db import connection

    from postroom.store.schema import bring_up_to_date

    fuse = Fuse(number)
    commit = connection._commit  # type: ignore[attr-defined]

    def committed() -> None:
        fuse.burn()
        commit()
        fuse.burn()

    connection._commit = committed  # type: ignore[attr-defined]
    with connection.execute_wrapper(fuse):
        if target == "newest":
            bring_up_to_date()
        else:
            call_command("migrate", "store", target, verbosity=0, interactive=False)
    print(fuse.count)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], int(sys.argv[2])))
