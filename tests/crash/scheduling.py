"""`python -m tests.crash.scheduling NOW N`: begin the runs that are due at NOW (ISO); die before statement N.

Statements are those of the database, and both sides of its commits; 0 dies at none. Prints how many there were. With
"subscriptions" for N it makes some instead, each due every day at 08:00 UTC, the first time after NOW.
"""

import sys
from datetime import datetime

from .migrating import Fuse

# More than one commit begins.
SUBSCRIPTIONS = 25


def main(now: datetime, what: str) -> int:
    from postroom.cli.instance import data_directory, load_django

    load_django(data_directory(None))
    return prepare(now) if what == "subscriptions" else begin(now, int(what))


def prepare(now: datetime) -> int:
    from postroom.flow.subscriptions.schedules import next_instant
    from postroom.store.models import ReportSource, Subscription
    from postroom.store.schema import bring_up_to_date

    bring_up_to_date()
    source = ReportSource.objects.create(name="Pushed", kind="pushed")
    schedule = {"words": "every day at 08:00", "time_zone": "UTC"}
    for number in range(SUBSCRIPTIONS):
        Subscription.objects.create(
            name=f"Report {number}", list_name=f"report-{number}", source=source, schedule=schedule,
            next_at=next_instant(schedule, None, now),
        )
    return 0


def begin(now: datetime, number: int) -> int:
    from django.db import connection

    from postroom.flow.runs.scheduled_runs import begin_due_runs

    fuse = Fuse(number)
    connection.ensure_connection()
    commit = connection._commit  # type: ignore[attr-defined]

    def committed() -> None:
        fuse.burn()
        commit()
        fuse.burn()

    connection._commit = committed  # type: ignore[attr-defined]
    with connection.execute_wrapper(fuse):
        begin_due_runs(now)
    print(fuse.count)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(datetime.fromisoformat(sys.argv[1]), sys.argv[2]))
