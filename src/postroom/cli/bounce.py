"""`postroom bounce`: take a bounce or complaint from standard input, as aliases and .forward files pipe it."""

import argparse
import sys

from .instance import add_data_argument, open_instance

INPUT_BYTES = 2 * 1024 * 1024
# sysexits(3): what mail systems understand of a program that they pipe into; they try again after this one.
TEMPORARY_FAILURE = 75


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipient", default="", metavar="ADDRESS", help="the address that it was delivered to")
    add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    """0 whatever the message says, so that no bounce answers a bounce; 75 when it could not be stored just now."""
    if not open_instance(args.data):
        return TEMPORARY_FAILURE
    from django.db import DatabaseError
    from django.utils import timezone

    from postroom.flow.delivery.bounce import Way, take_report

    octets = sys.stdin.buffer.read(INPUT_BYTES)
    try:
        taken = take_report(octets, Way.COMMAND, timezone.now(), args.recipient)
    except DatabaseError as error:
        print(f"It could not be stored: {error}", file=sys.stderr)
        return TEMPORARY_FAILURE
    print(taken.verdict)
    for bounce in taken.bounces:
        print(f"{bounce.recipient}: {bounce.kind} {bounce.status} {bounce.cause}".rstrip())
    for address in taken.suppressed:
        print(f"{address}: suppressed")
    return 0
