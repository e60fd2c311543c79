"""`postroom schedule`: what words or a cron expression mean, and the next instants. Needs no database."""

import argparse
import json
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", metavar="WORDS", help="such as “weekdays at 07:30”, or a cron expression")
    parser.add_argument("--zone", default="UTC", metavar="NAME", help="time zone (default: %(default)s)")
    parser.add_argument("--days-off", default="", metavar="COUNTRIES", help="leave out holidays, such as DE-BY,SE")
    parser.add_argument("--count", type=int, default=5, metavar="N", help="instants to print (default: %(default)s)")
    parser.add_argument("--language", choices=("en", "fr"), default="en", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    from postroom.policy.schedule import ScheduleFault, country_code, days_off, described, instants, notes, parsed

    now = datetime.now(UTC)
    try:
        schedule = parsed(args.words, args.zone)
        off = days_off([country_code(code) for code in args.days_off.split(",") if code.strip()], [])
    except ScheduleFault as fault:
        print(fault.text, file=sys.stderr)
        return 2
    found = instants(schedule, now, off, max(1, min(args.count, 1_000)))
    said = notes(schedule, now, found, args.language, off)
    if args.json:
        told = {
            "understood": described(schedule, args.language), "time_zone": schedule.zone,
            "next": [at.isoformat() for at in found], "notes": said,
        }
        print(json.dumps(told, ensure_ascii=False))
        return 0
    print(described(schedule, args.language))
    for at in found:
        print(f"{at.astimezone(ZoneInfo(schedule.zone)):%a %Y-%m-%d %H:%M %Z}")
    for line in said:
        print(line)
    return 0
