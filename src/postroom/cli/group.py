"""`postroom group`: list, make and remove groups of recipients, and change who is in them."""

import argparse
import sys
from typing import Any

from .instance import add_data_argument, open_instance

ACTOR = "command line"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the groups with how many members they have")
    add = actions.add_parser("add", help="make a group")
    add.add_argument("name", metavar="NAME")
    add.add_argument("members", nargs="*", metavar="ADDRESS", help="who is no recipient yet becomes one")
    add.add_argument("--description", default="", metavar="TEXT")
    members = actions.add_parser("members", help="change who is in a group")
    members.add_argument("name", metavar="NAME")
    members.add_argument("--join", nargs="+", default=[], metavar="ADDRESS", help="who is no recipient yet becomes one")
    members.add_argument("--leave", nargs="+", default=[], metavar="ADDRESS", help="they stay recipients")
    remove = actions.add_parser("remove", help="remove a group; its members stay recipients")
    remove.add_argument("name", metavar="NAME")
    for action in (listing, add, members, remove):
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from postroom.flow.instance.refusals import NotPossible, SettingsRefused

    actions = {"list": _listed, "add": _added, "members": _members, "remove": _removed}
    try:
        return actions[args.action](args)
    except SettingsRefused as refused:
        for problem in refused.problems:
            print(f"{problem.field}: {problem.text}", file=sys.stderr)
        return 2
    except NotPossible as reason:
        print(reason, file=sys.stderr)
        return 1


def _listed(_: argparse.Namespace) -> int:
    from django.db.models import Count

    from postroom.store.models import RecipientGroup

    for row in RecipientGroup.objects.annotate(count=Count("memberships")).order_by("name"):
        print(f"{row.count:6}  {row.name}")
    return 0


def _added(args: argparse.Namespace) -> int:
    from postroom.flow.recipients.recipient_groups import add_group

    row, joined = add_group({"name": args.name, "description": args.description}, ACTOR, args.members)
    print(f"{row.name}: {joined.members} members, {joined.recipients} of them new recipients")
    return 0


def _members(args: argparse.Namespace) -> int:
    from postroom.flow.recipients.recipient_groups import add_members, remove_members
    from postroom.store.models import Recipient
    from postroom.terms.address import canonical

    group = _group(args.name)
    if group is None:
        return 1
    keys = [canonical(address.strip()) for address in args.leave]
    leaving = list(Recipient.objects.filter(address_key__in=keys).values_list("pk", flat=True))
    joined, left = add_members(group.pk, args.join, ACTOR), remove_members(group.pk, leaving, ACTOR)
    print(f"{group.name}: {joined.members} joined, {joined.recipients} of them new recipients, {left} left")
    return 0


def _removed(args: argparse.Namespace) -> int:
    from postroom.flow.recipients.recipient_groups import remove_group

    group = _group(args.name)
    if group is None:
        return 1
    remove_group(group.pk, ACTOR)
    print(f"{group.name}: removed")
    return 0


def _group(name: str) -> Any:
    from postroom.store.models import RecipientGroup

    group = RecipientGroup.objects.filter(name=name.strip()).first()
    if group is None:
        print(f"There is no group “{name}”. See: postroom group list", file=sys.stderr)
    return group
