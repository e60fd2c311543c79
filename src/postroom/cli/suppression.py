"""`postroom suppression`: list, add and remove recipients that get no mail; import and export them as CSV."""

import argparse
import sys

from .instance import add_data_argument, open_instance

ACTOR = "command line"
REASONS = ("hard-bounce", "complaint", "unsubscribe", "manual")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="print those that get no mail, as CSV")
    add = actions.add_parser("add", help="send nothing more to an address")
    add.add_argument("address", metavar="ADDRESS")
    add.add_argument("--reason", choices=REASONS, default="manual", help="default: %(default)s")
    add.add_argument("--list", default="", metavar="NAME", help="only messages of this list; * for all lists")
    add.add_argument("--evidence", default="", metavar="TEXT", help="why, for whoever looks later")
    remove = actions.add_parser("remove", help="let an address get mail again")
    remove.add_argument("address", metavar="ADDRESS")
    remove.add_argument("--list", default=None, metavar="NAME", help="only for this list (default: all it is on)")
    taking = actions.add_parser("import", help="add those of a CSV file on standard input, all or none")
    for action in (listing, add, remove, taking):
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    actions = {"list": _listed, "add": _added, "remove": _removed, "import": _imported}
    return actions[args.action](args)


def _listed(_: argparse.Namespace) -> int:
    from postroom.flow.recipients.suppression_csv import csv_parts

    for part in csv_parts():
        sys.stdout.write(part)
    return 0


def _added(args: argparse.Namespace) -> int:
    from django.utils import timezone

    from postroom.flow.instance.refusals import SettingsRefused
    from postroom.flow.recipients.suppression import checked_entry, suppress

    try:
        entry = checked_entry(args.address, args.reason, args.list, args.evidence)
    except SettingsRefused as refused:
        print(refused, file=sys.stderr)
        return 2
    new = suppress([entry], actor=ACTOR, now=timezone.now())
    print(f"{entry.address}: {'suppressed' if new else 'was suppressed already'}")
    return 0


def _removed(args: argparse.Namespace) -> int:
    from postroom.flow.recipients.suppression import release
    from postroom.store.models import Suppression
    from postroom.terms.address import canonical

    rows = Suppression.objects.filter(address=canonical(args.address.strip()))
    if args.list is not None:
        rows = rows.filter(list_name=args.list)
    count = release(list(rows.values_list("pk", flat=True)), actor=ACTOR)
    if not count:
        print("This address is not suppressed. See: postroom suppression list", file=sys.stderr)
    return 0 if count else 1


def _imported(_: argparse.Namespace) -> int:
    from django.utils import timezone

    from postroom.flow.recipients.suppression_csv import FILE_BYTES, CsvRefused, import_csv

    try:
        added, known = import_csv(sys.stdin.buffer.read(FILE_BYTES + 1), actor=ACTOR, now=timezone.now())
    except CsvRefused as refused:
        print(refused, file=sys.stderr)
        return 2
    print(f"{added} added, {known} known already")
    return 0
