"""`postroom load-plan`: when the reports of a day will really have left. Works beside a running instance."""

import argparse
import json
import sys
from datetime import date

from .instance import add_data_argument, open_instance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day", default="", metavar="DATE", help="such as 2027-01-31 (default: today)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    try:
        asked = date.fromisoformat(args.day) if args.day else None
    except ValueError:
        print("Write the day such as 2027-01-31.", file=sys.stderr)
        return 2
    if not open_instance(args.data):
        return 1
    from django.utils import timezone

    from postroom.flow.instance.instance import site
    from postroom.flow.subscriptions.load_plan import load_plan
    from postroom.flow.subscriptions.load_plan_json import load_plan_json

    zone, now = site().zone, timezone.now()
    found = load_plan(asked or now.astimezone(zone).date(), zone, now)
    if args.json:
        print(json.dumps(load_plan_json(found), ensure_ascii=False, default=lambda at: at.isoformat()))
        return 0
    for each in found.plan.arrivals:
        last = f"{each.last_at.astimezone(zone):%H:%M}" if each.last_at else "later"
        held = f"  held by {each.bound}" if each.bound else ""
        print(f"{each.load.at.astimezone(zone):%H:%M}  {last:>5}  {each.load.messages:>7,}  {each.load.name}{held}")
    for move in found.moves:
        at, to = move.load.at.astimezone(zone), move.to.astimezone(zone)
        print(f"Run {move.load.name} at {to:%H:%M} instead of {at:%H:%M}.")
    return 0
