"""`postroom calendar`: holiday calendars listed, added and removed. Works beside a running instance."""

import argparse
import json
import sys

from .instance import add_data_argument, open_instance

ACTOR = "command line"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the calendars")
    listing.add_argument("--json", action="store_true", help="print one JSON object")
    add = actions.add_parser("add", help="add a calendar")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--countries", default="", metavar="CODES", help="public holidays of these, such as DE-BY,SE")
    add.add_argument("--days", default="", metavar="DATES", help="own days off, such as 2027-12-24,2027-12-31")
    remove = actions.add_parser("remove", help="remove a calendar that no subscription uses")
    remove.add_argument("name", metavar="NAME")
    for action in (listing, add, remove):
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    return {"list": _listed, "add": _added, "remove": _removed}[args.action](args)


def _listed(args: argparse.Namespace) -> int:
    from postroom.flow.subscriptions.holiday_calendars import calendar_json
    from postroom.store.models import HolidayCalendar

    rows = [{"id": row.pk, **calendar_json(row)} for row in HolidayCalendar.objects.all()]
    if args.json:
        print(json.dumps({"holiday_calendars": rows}, ensure_ascii=False))
        return 0
    for row in rows:
        print(f"{row['name']:30}  {','.join(row['countries']) or '-':16}  {','.join(row['days'])}".rstrip())
    return 0


def _added(args: argparse.Namespace) -> int:
    from postroom.flow.instance.refusals import NotPossible, SettingsRefused
    from postroom.flow.subscriptions.holiday_calendars import add_calendar

    values = {"name": args.name, "countries": args.countries.split(","), "days": args.days.split(",")}
    try:
        print(add_calendar(values, ACTOR).pk)
    except SettingsRefused as refused:
        print(refused, file=sys.stderr)
        return 2
    except NotPossible as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


def _removed(args: argparse.Namespace) -> int:
    from postroom.flow.instance.refusals import NotPossible
    from postroom.flow.subscriptions.holiday_calendars import remove_calendar
    from postroom.store.models import HolidayCalendar

    row = HolidayCalendar.objects.filter(name=args.name).first()
    if row is None:
        print("There is no such calendar. See: postroom calendar list", file=sys.stderr)
        return 1
    try:
        remove_calendar(row.pk, ACTOR)
    except NotPossible as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0
