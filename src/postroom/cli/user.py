"""`postroom user`: create or invite a user, give one a new password. Works beside a running instance."""

import argparse
import getpass
import sys

from .instance import add_data_argument, open_instance

ROLES = ("administrator", "operator", "viewer")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create a user; the password is read from standard input")
    create.add_argument("email")
    create.add_argument("--name", required=True)
    create.add_argument("--role", choices=ROLES, default="viewer", help="default: %(default)s")
    invite = actions.add_parser("invite", help="create a user who chooses a password by a link in a mail")
    invite.add_argument("email")
    invite.add_argument("--name", required=True)
    invite.add_argument("--role", choices=ROLES, default="viewer", help="default: %(default)s")
    reset = actions.add_parser("reset-password", help="give a user a new password, read from standard input")
    reset.add_argument("email")
    for action in (create, invite, reset):
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from postroom.flow.users.people import PersonRefused, created_user, reset_password

    if args.action == "invite":
        return _invited(args)
    password = _password()
    try:
        if args.action == "create":
            created_user(args.email, name=args.name, role=args.role, password=password, actor="command line")
        else:
            reset_password(args.email, password=password, actor="command line")
    except PersonRefused as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{args.email} can sign in now.")
    return 0


def _invited(args: argparse.Namespace) -> int:
    from django.utils import timezone

    from postroom.flow.notices.account_mail import invited_by_mail, is_held_back
    from postroom.flow.users.people import PersonRefused

    now = timezone.now()
    try:
        link, is_new = invited_by_mail(args.email, name=args.name, role=args.role, actor="command line", now=now)
    except PersonRefused as error:
        print(error, file=sys.stderr)
        return 1
    print(f"An invitation to {args.email} is on its way." if is_new
          else f"Another invitation to {args.email} is on its way; the link of the earlier one ends.")
    if is_held_back(link.address, now):
        print("Test mode is on: the mail waits until it is over.")
    return 0


def _password() -> str:
    """From a prompt that echoes nothing, or from the first line of standard input; never from an argument (T8)."""
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    return sys.stdin.readline().rstrip("\r\n")
