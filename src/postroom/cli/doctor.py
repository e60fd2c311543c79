"""`postroom doctor`: says what is wrong, and ends with 1 where something is; for people, cron and monitoring.

It depends on no mail server and on no other process; what a running Postroom knows, it reads from the database."""

import argparse
import json
from typing import TYPE_CHECKING

from .instance import add_data_argument, open_instance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from postroom.flow.alerts.doctor import Complaint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--critical", action="store_true", help="fail for critical things alone, not for warnings")
    add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from django.utils import timezone

    from postroom.flow.alerts.doctor import examined

    complaints = examined(timezone.now())
    failed = any(one.severity == "critical" or not args.critical for one in complaints)
    if args.json:
        document = {"ok": not failed, "complaints": [one.as_json() for one in complaints]}
        print(json.dumps(document, ensure_ascii=False))
    else:
        _print(complaints)
    return 1 if failed else 0


def _print(complaints: "Sequence[Complaint]") -> None:
    for one in complaints:
        print(f"{one.severity:8}  {one.title}")
        for line in (one.text, *one.evidence.splitlines(), *(f"{n}. {step}" for n, step in enumerate(one.fix, 1))):
            print(f"          {line}" if line else "")
    if not complaints:
        print("Nothing is wrong.")
    elif len(complaints) == 1:
        print("1 thing is wrong.")
    else:
        print(f"{len(complaints)} things are wrong.")
