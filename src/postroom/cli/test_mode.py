"""`postroom test-mode`: send everything to one address for a while, or what goes through one server."""

import argparse
import sys
from datetime import datetime

from .instance import add_data_argument, open_instance

ACTOR = "command line"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    on = actions.add_parser("on", help="send everything to one address, with the true recipient in the subject")
    on.add_argument("address", metavar="ADDRESS")
    told = "ISO 8601, in this machine's zone unless it names one (default: a day from now)"
    on.add_argument("--until", type=_time, metavar="TIME", help=told)
    off = actions.add_parser("off", help="let mail go to its recipients again")
    show = actions.add_parser("show", help="print whether it is on, and until when")
    for action in (on, off, show):
        action.add_argument("--server", metavar="NAME", help="of this SMTP server alone (default: the whole site)")
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from postroom.store.models import SmtpServer

    server = None
    if args.server is not None:
        servers = SmtpServer.objects.all()
        server = servers.filter(name=args.server).first() or servers.filter(pk=args.server).first()
        if server is None:
            print(f"There is no SMTP server {args.server}.", file=sys.stderr)
            return 2
    server_id = server.pk if server is not None else ""
    return {"on": _on, "off": _off, "show": _show}[args.action](args, server_id)


def _on(args: argparse.Namespace, server_id: str) -> int:
    from django.utils import timezone

    from postroom.flow.acceptance.test_mode import set_for_server, set_for_site
    from postroom.flow.instance.refusals import SettingsRefused

    now = timezone.now()
    try:
        if server_id:
            set_for_server(server_id, args.address, args.until, ACTOR, now)
        else:
            set_for_site(args.address, args.until, ACTOR, now)
    except SettingsRefused as refused:
        print(refused, file=sys.stderr)
        return 2
    return _show(args, server_id)


def _off(_: argparse.Namespace, server_id: str) -> int:
    from postroom.flow.acceptance.test_mode import clear_for_server, clear_for_site
    from postroom.flow.instance.refusals import NotPossible

    try:
        if server_id:
            clear_for_server(server_id, ACTOR)
        else:
            clear_for_site(ACTOR)
    except NotPossible as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


def _show(_: argparse.Namespace, server_id: str) -> int:
    from django.utils import timezone

    from postroom.flow.acceptance.test_mode import server_test_mode, site_test_mode
    from postroom.store.models import SmtpServer

    mode = server_test_mode(SmtpServer.objects.get(pk=server_id)) if server_id else site_test_mode()
    if mode is None or not mode.is_on(timezone.now()):
        print("off")
    else:
        print(f"on until {mode.until.isoformat(timespec='minutes')}: everything goes to {mode.address}")
    return 0


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text} is no time such as 2026-11-23T08:00") from None
