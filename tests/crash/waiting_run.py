"""`python -m tests.crash.waiting_run RECIPIENTS REPORT`: a subscription of so many, and a run of it that waits."""

import sys
from datetime import timedelta
from pathlib import Path


def main(recipients: int, report: Path) -> int:
    from postroom.cli.instance import data_directory, load_django

    load_django(data_directory(None))
    from django.utils import timezone
    from tests.subscribed import asked, pushed, pushed_source, subscribed

    now = timezone.now() - timedelta(seconds=1)
    source = pushed_source()
    pushed(source, now, report.read_bytes())
    asked(subscribed(source, [f"reader{n}@example.org" for n in range(recipients)]), now)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), Path(sys.argv[2])))
