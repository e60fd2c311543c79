"""`postroom token`: create, list and revoke the tokens of API clients. Works beside a running instance."""

import argparse
import sys

from .instance import add_data_argument, open_instance

ACTOR = "command line"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create a token and print it, alone, on standard output")
    create.add_argument("name", metavar="NAME", help="the client's name, such as “Report server”")
    create.add_argument("--scope", choices=("admin", "send", "read"), required=True, help="what the token may do")
    listing = actions.add_parser("list", help="list the tokens; their texts are not kept")
    revoke = actions.add_parser("revoke", help="end every live token of that name or id")
    revoke.add_argument("name", metavar="NAME")
    trust = actions.add_parser("trust-local", help="let the revoked client “local” of trusted networks submit again")
    for action in (create, listing, revoke, trust):
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    actions = {"create": _created, "list": _listed, "revoke": _revoked, "trust-local": _trusted}
    return actions[args.action](args)


def _created(args: argparse.Namespace) -> int:
    from postroom.flow.users.tokens import create_token

    try:
        _, plain = create_token(args.name, args.scope, ACTOR)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    print(plain)
    return 0


def _listed(_: argparse.Namespace) -> int:
    from postroom.store.models import ApiToken

    for token in ApiToken.objects.order_by("created_at"):
        state = "revoked" if token.revoked_at else "live"
        used = f"{token.last_used_at:%Y-%m-%d %H:%M}Z" if token.last_used_at else "never used"
        print(f"{token.id}  {token.scope:5}  {state:7}  {used:17}  {token.name}")
    return 0


def _revoked(args: argparse.Namespace) -> int:
    from django.db.models import Q

    from postroom.flow.users.tokens import revoke_token
    from postroom.store.models import ApiToken

    tokens = list(ApiToken.objects.filter(Q(name=args.name) | Q(id=args.name), revoked_at=None))
    for token in tokens:
        revoke_token(token, ACTOR)
    if not tokens:
        print("There is no live token of that name or id. See: postroom token list", file=sys.stderr)
    return 0 if tokens else 1


def _trusted(_: argparse.Namespace) -> int:
    from postroom.flow.users.local_client import trust_again

    if trust_again(ACTOR):
        return 0
    print("The client “local” is not revoked. POSTROOM_SUBMISSION_TRUST makes it at the start.", file=sys.stderr)
    return 1
