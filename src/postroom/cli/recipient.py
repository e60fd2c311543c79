"""`postroom recipient`: list, add, remove, import and export who gets mail; which domains mail may go to."""

import argparse
import sys
from pathlib import Path
from typing import Any

from .instance import add_data_argument, open_instance

ACTOR = "command line"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="print recipients as CSV")
    listing.add_argument("--group", metavar="NAME", help="only the members of this group")
    add = actions.add_parser("add", help="add a recipient")
    add.add_argument("address", metavar="ADDRESS")
    add.add_argument("--name", default="", metavar="NAME")
    add.add_argument("--language", default="", metavar="LANGUAGE", help="such as en or fr (default: that of the site)")
    add.add_argument("--time-zone", default="", metavar="ZONE", help="such as Europe/Paris (default: that of the site)")
    add.add_argument("--group", action="append", default=[], metavar="NAME", help="put it into this group")
    add.add_argument("--value", action="append", default=[], metavar="NAME=TEXT", help="a further fact")
    remove = actions.add_parser("remove", help="remove a recipient from groups and subscriptions, too")
    remove.add_argument("address", metavar="ADDRESS")
    taking = actions.add_parser("import", help="take recipients from a CSV or XLSX file, and name the bad lines")
    taking.add_argument("file", type=Path, metavar="FILE", help="- for standard input")
    taking.add_argument("--group", default="", metavar="NAME", help="a group that everybody of the file joins")
    taking.add_argument("--dry-run", action="store_true", help="only say what would become of each line")
    undo = actions.add_parser("undo", help="take an import back")
    undo.add_argument("import_id", metavar="IMPORT")
    domains = actions.add_parser("domains", help="print or set the domains that mail may go to")
    domains.add_argument("--only", nargs="+", metavar="DOMAIN", help="allow these; *.example.org for those below")
    domains.add_argument("--all", action="store_true", dest="every", help="allow every domain")
    for action in (listing, add, remove, taking, undo, domains):
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from postroom.flow.instance.refusals import NotPossible, SettingsRefused

    actions = {
        "list": _listed, "add": _added, "remove": _removed, "import": _imported, "undo": _undone, "domains": _domains,
    }
    try:
        return actions[args.action](args)
    except SettingsRefused as refused:
        for problem in refused.problems:
            print(f"{problem.field}: {problem.text}", file=sys.stderr)
        return 2
    except NotPossible as reason:
        print(reason, file=sys.stderr)
        return 1


def _listed(args: argparse.Namespace) -> int:
    from postroom.flow.recipients.recipient_export import csv_parts

    group = _group(args.group) if args.group else None
    if args.group and group is None:
        return 1
    for part in csv_parts(group):
        sys.stdout.write(part)
    return 0


def _added(args: argparse.Namespace) -> int:
    from postroom.flow.recipients.recipient_book import add_recipient

    groups = [_group(name) for name in args.group]
    if None in groups:
        return 1
    pairs = [value.partition("=") for value in args.value]
    given = {
        "address": args.address, "name": args.name, "language": args.language, "time_zone": args.time_zone,
        "values": {name: text for name, _, text in pairs},
    }
    row = add_recipient(given, ACTOR, [group.pk for group in groups])
    print(f"{row.address}: added")
    return 0


def _removed(args: argparse.Namespace) -> int:
    from postroom.flow.recipients.recipient_book import remove_recipients
    from postroom.store.models import Recipient
    from postroom.terms.address import canonical

    ids = list(Recipient.objects.filter(address_key=canonical(args.address.strip())).values_list("pk", flat=True))
    if not ids:
        print("This address is no recipient. See: postroom recipient list", file=sys.stderr)
        return 1
    remove_recipients(ids, ACTOR)
    print(f"{args.address}: removed")
    return 0


def _imported(args: argparse.Namespace) -> int:
    from postroom.flow.recipients.recipient_file import FILE_BYTES, FileRefused
    from postroom.flow.recipients.recipient_import import take
    from postroom.flow.recipients.recipient_plan import Fate, planned

    try:
        octets = _octets(args.file, FILE_BYTES + 1)
        plan = planned(octets, args.group.strip())
    except OSError as error:
        print(f"{args.file} can't be read: {error.strerror}.", file=sys.stderr)
        return 2
    except FileRefused as refused:
        print(refused.text, file=sys.stderr)
        return 2
    for line in plan.bad:
        print(f"Line {line.number}: {line.problem}", file=sys.stderr)
    counts = (
        f"{plan.count(Fate.NEW)} new, {plan.count(Fate.CHANGED)} changed, {plan.count(Fate.SAME)} unchanged, "
        f"{len(plan.bad)} left out"
    )
    if args.dry_run:
        print(f"{counts}; nothing was stored")
        return 0
    entry = take(plan, file_name="" if str(args.file) == "-" else args.file.name, actor=ACTOR)
    print(f"{counts}; undo it with: postroom recipient undo {entry.pk}")
    return 0


def _undone(args: argparse.Namespace) -> int:
    from postroom.flow.recipients.recipient_import import undo

    removed, set_back = undo(args.import_id, actor=ACTOR)
    print(f"{removed} removed, {set_back} set back")
    return 0


def _domains(args: argparse.Namespace) -> int:
    from postroom.flow.domains.recipient_domains import allow_only, allowed_domains

    if args.only and args.every:
        print("Give --only or --all, not both.", file=sys.stderr)
        return 2
    changes = args.only or args.every
    allowed = allow_only(args.only or (), ACTOR) if changes else allowed_domains()
    print("\n".join(allowed.patterns) or "every domain")
    return 0


def _octets(path: Path, most_bytes: int) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read(most_bytes)
    with path.open("rb") as file:
        return file.read(most_bytes)


def _group(name: str) -> Any:
    from postroom.store.models import RecipientGroup

    group = RecipientGroup.objects.filter(name=name.strip()).first()
    if group is None:
        print(f"There is no group “{name}”. See: postroom group list", file=sys.stderr)
    return group
