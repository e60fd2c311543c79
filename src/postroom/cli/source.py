"""`postroom source`: list, add, try, push to and remove report sources, and connect databases. Works beside a running
instance; `try` fetches here and now, without the engine."""

import argparse

from .instance import add_data_argument, open_instance
from .refused import ended


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list sources and connections")
    listing.add_argument("--json", action="store_true", help="print one JSON object")
    add = actions.add_parser("add", help="add a source")
    add.add_argument("name", metavar="NAME")
    kind = add.add_mutually_exclusive_group(required=True)
    kind.add_argument("--file", metavar="ROOT:PATTERN", help="the newest file, such as reports:sales/*.csv")
    kind.add_argument("--url", metavar="URL", help="a web address")
    kind.add_argument("--query", metavar="FILE", help="a query in a file, - for standard input; with --connection")
    kind.add_argument("--pushed", action="store_true", help="programs send reports")
    add.add_argument("--fresh-hours", type=float, default=0, metavar="N", help="refuse older files")
    add.add_argument("--connection", default="", metavar="NAME", help="the database of a query")
    add.add_argument("--format", choices=("csv", "xlsx", "html"), default="csv", help="default: %(default)s")
    add.add_argument("--secret-stdin", action="store_true", help="read the value of the Authorization field from there")
    remove = actions.add_parser("remove", help="remove a source that no subscription uses")
    remove.add_argument("name", metavar="NAME")
    trying = actions.add_parser("try", help="fetch a report now, and send nothing")
    trying.add_argument("name", metavar="NAME")
    trying.add_argument("--value", action="append", default=[], metavar="NAME=TEXT", help="a value that it asks for")
    push = actions.add_parser("push", help="hand over a report")
    push.add_argument("name", metavar="NAME")
    push.add_argument("file", metavar="FILE")
    push.add_argument("--file-name", default="", metavar="NAME", help="what recipients see (default: the file's own)")
    connect = actions.add_parser("connect", help="add a connection to a database")
    connect.add_argument("name", metavar="NAME")
    place = connect.add_mutually_exclusive_group(required=True)
    place.add_argument("--sqlite", metavar="ROOT:PATH", help="a file below a folder of POSTROOM_REPORT_ROOTS")
    place.add_argument("--postgresql", metavar="USER@HOST:PORT/DATABASE")
    tls = ("verified", "encrypted", "off")
    connect.add_argument("--tls", choices=tls, default="verified", help="default: %(default)s")
    connect.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    for action in (listing, add, remove, trying, push, connect):
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from .source_actions import ACTIONS

    return ended(ACTIONS[args.action], args)
