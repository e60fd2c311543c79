"""`python -m tests.crash.short_lease SECONDS serve engine`: Postroom with short leases, for tests that outlast one."""

import sys
from datetime import timedelta


def main(seconds: float, words: list[str]) -> int:
    from postroom.cli import main as command
    from postroom.cli.instance import data_directory, load_django

    load_django(data_directory(None))
    from postroom.engine import engine, lane

    lane.LEASE = engine.LEASE = timedelta(seconds=seconds)
    engine.CHORES_S = seconds / 4
    return command.main(words)


if __name__ == "__main__":
    raise SystemExit(main(float(sys.argv[1]), sys.argv[2:]))
