"""`postroom route`: what would happen to a message that is handed in now, and when. Nothing is sent."""

import argparse
import json
import sys
from typing import Any

from .instance import add_data_argument, open_instance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", action="append", default=[], metavar="ADDRESS", help="a recipient; may be repeated")
    parser.add_argument("--from", dest="sender", default="", metavar="ADDRESS", help="the From that the client gives")
    parser.add_argument(
        "--purpose", choices=("notification", "report", "communication", "alert"), default="notification",
        help="default: %(default)s",
    )
    parser.add_argument("--server", metavar="NAME", help="the server that the client names")
    parser.add_argument("--client", default="", metavar="NAME", help="the API token's name or id")
    parser.add_argument("--tag", action="append", default=[], metavar="TAG", help="may be repeated")
    parser.add_argument("--delivery", metavar="ID", help="explain an accepted delivery instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    """0 with the explanation, 1 when there is no such thing, 2 for wrong arguments."""
    if not args.to and not args.delivery:
        print("postroom route: give --to ADDRESS, or --delivery ID", file=sys.stderr)
        return 2
    if not open_instance(args.data):
        return 1
    return _explained(args)


def _explained(args: argparse.Namespace) -> int:
    from postroom.flow.acceptance.explain_route import route_of_delivery, route_of_question
    from postroom.flow.acceptance.sending_server import ServerRefused
    from postroom.store.models import Delivery
    from postroom.terms.address import AddressProblem

    try:
        if args.delivery:
            found = Delivery.objects.select_related("message", "server").filter(pk=args.delivery).first()
            if found is None:
                print("There is no delivery with this id.", file=sys.stderr)
                return 1
            route = route_of_delivery(found)
        else:
            route = route_of_question(_question(args))
    except (AddressProblem, LookupError) as problem:
        print(f"postroom route: {problem}", file=sys.stderr)
        return 2
    except ServerRefused as refused:
        print(f"postroom route: {refused.error.text}", file=sys.stderr)
        return 1
    print(json.dumps(_document(route), ensure_ascii=False) if args.json else "\n".join(_lines(route)))
    return 0


def _question(args: argparse.Namespace) -> Any:
    """Raises AddressProblem, and LookupError for a token that is not there."""
    from postroom.flow.acceptance.explain_route import question_of
    from postroom.store.models import ApiToken

    client = ""
    if args.client:
        tokens = ApiToken.objects
        token = tokens.filter(pk=args.client[:26]).first() or tokens.filter(name=args.client).first()
        if token is None:
            raise LookupError("there is no API token of this name or id")
        client = token.pk
    return question_of(args.to, args.sender, args.purpose, client, frozenset(args.tag), server=args.server)


def _document(route: Any) -> dict[str, Any]:
    steps = [
        {"kind": str(s.kind), "text": str(s.text), "at": s.at.isoformat() if s.at else None, "holds": s.holds}
        for s in route.steps
    ]
    times = [at.isoformat() for at in route.attempts_at]
    return {"steps": steps, "attempts_at": times, "expires_at": route.expires_at.isoformat()}


def _lines(route: Any) -> list[str]:
    return [
        f"{'|| ' if step.holds else '-> '}{step.text}" + (f" [{step.at:%Y-%m-%d %H:%M:%S}Z]" if step.at else "")
        for step in route.steps
    ]
