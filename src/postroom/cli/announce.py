"""`postroom announce`: write the same to many people; the text comes from standard input, and may name values of its
recipients in double braces."""

import argparse
import sys
from typing import TYPE_CHECKING

from .instance import add_data_argument, open_instance

if TYPE_CHECKING:
    from postroom.store.models import Announcement

ACTOR = "command line"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--subject", required=True, metavar="TEXT")
    parser.add_argument("--users", action="store_true", help="to everybody who may sign in")
    parser.add_argument("--recipients", action="store_true", help="to all recipients")
    parser.add_argument("--group", action="append", default=[], metavar="NAME", help="to the members of this group")
    parser.add_argument("--to", action="append", default=[], metavar="ADDRESS", help="to this address")
    parser.add_argument("--language", choices=("en", "fr"), default="en", help="of the text (default: %(default)s)")
    parser.add_argument("--server", default="", metavar="NAME", help="through this SMTP server")
    parser.add_argument("--stay", action="store_true", help="without a link by which recipients get no more of these")
    parser.add_argument("--dry-run", action="store_true", help="only say how many people it reaches")
    parser.add_argument("--preview", nargs="?", const="", metavar="ADDRESS",
                        help="only show what this recipient (default: the first) would get")
    add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from postroom.flow.instance.refusals import NotPossible, SettingsRefused

    try:
        return _announced(args)
    except SettingsRefused as refused:
        for problem in refused.problems:
            print(f"{problem.field}: {problem.text}", file=sys.stderr)
        return 2
    except NotPossible as reason:
        print(reason, file=sys.stderr)
        return 1


def _announced(args: argparse.Namespace) -> int:
    from django.utils import timezone

    from postroom.flow.notices.announcements import announce, draft_announcement, reached

    draft = draft_announcement({
        "subject": args.subject, "text": sys.stdin.read(), "language": args.language, "users": args.users,
        "recipients": args.recipients, "groups": args.group, "addresses": args.to, "can_leave": not args.stay,
        "server": args.server,
    })
    if args.preview is not None:
        return _previewed(draft, args.preview)
    if args.dry_run:
        print(f"{len(reached(draft))} people; nothing was stored")
        return 0
    announce(draft, actor=ACTOR, sender_id="", sender_name="", now=timezone.now())
    print(draft.pk)
    return 0


def _previewed(draft: "Announcement", address: str) -> int:
    from postroom.flow.notices.announcement_mail import previewed
    from postroom.flow.notices.announcements import reached, seen_as
    from postroom.message.template import TemplateFault

    people = reached(draft)
    try:
        seen = previewed(draft, seen_as(people, address))
    except TemplateFault as fault:
        print(f"text: {fault.text}", file=sys.stderr)
        return 2
    print(f"To: {seen.to.address} (one of {len(people)})\nSubject: {seen.made.subject}\n\n{seen.made.text}")
    if seen.missing:
        print(f"left empty, since this recipient has no such value: {', '.join(seen.missing)}", file=sys.stderr)
    return 0
