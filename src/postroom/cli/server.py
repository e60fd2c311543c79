"""`postroom server`: configure SMTP servers, prove that they work, and say which take deliveries. Works beside a
running instance, whose engine runs the tests: a test is an ordinary delivery, made where deliveries are."""

import argparse
from datetime import datetime

from .instance import add_data_argument, open_instance
from .refused import ended
from .server_options import add_saving_options, add_settings_options

_NAMED = {
    "show": "print one as JSON", "on": "switch it on", "off": "switch it off: it takes no deliveries",
    "resume": "end a pause", "default": "make it the first that messages leave through",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list servers in their order and how they stand")
    add = actions.add_parser("add", help="test settings live, and save them when the test has passed")
    add.add_argument("name", metavar="NAME")
    add_settings_options(add, adding=True)
    add.add_argument("--default", action=argparse.BooleanOptionalAction,
                     help="make it the default (without either: where no real server is)")
    change = actions.add_parser("change", help="change settings; tested live where a test has to prove them")
    change.add_argument("--name", dest="new_name", metavar="NAME", help="what it is called from now on")
    add_settings_options(change, adding=False)
    for action in (add, change):
        add_saving_options(action)
    test = actions.add_parser("test", help="test a saved server live, and explain what is wrong")
    test.add_argument("--no-send", action="store_true", help="stop after signing in: no mail is sent")
    pause = actions.add_parser("pause", help="take it out of delivery for a while")
    pause.add_argument("--until", type=_time, metavar="TIME",
                       help="ISO 8601, in this machine's zone unless it names one (default: until it is resumed)")
    pause.add_argument("--reason", default="", metavar="TEXT", help="shown beside it")
    move = actions.add_parser("move", help="change its place in the order in which servers are tried")
    remove = actions.add_parser("remove", help="remove it with its password; cannot be undone")
    remove.add_argument("name", metavar="NAME", help="its whole name, not its id")
    named = [actions.add_parser(name, help=text) for name, text in _NAMED.items()]
    for action in (change, test, pause, move, *named):
        action.add_argument("server", metavar="NAME", help="name or id")
    move.add_argument("place", type=int, metavar="PLACE", help="1 is the default's")
    for action in (listing, add, change, test):
        action.add_argument("--json", action="store_true", help="print one JSON object")
    for action in (listing, add, change, test, pause, move, remove, *named):
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from .server_actions import ACTIONS

    return ended(ACTIONS[args.action], args)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text} is no time such as 2026-11-23T08:00") from None
