"""`postroom notify`: tell people how a job ended, from a script or cron; into the queue here, or over HTTP."""

import argparse
import os
import sys
import uuid
from pathlib import Path
from typing import Any

from postroom.net.api_client import ApiClient, ApiFailed
from postroom.terms.problem import Problem

from .instance import add_data_argument, open_instance

TOKEN = "POSTROOM_TOKEN"
LOG_CHARACTERS = 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--job", required=True, metavar="NAME", help="what people call it")
    parser.add_argument("--outcome", required=True, choices=("success", "warning", "error"))
    parser.add_argument("--to", action="append", default=[], metavar="ADDRESS", help="may be repeated")
    parser.add_argument("--group", default="", metavar="NAME", help="a group of recipients")
    parser.add_argument("--title", default="", metavar="TEXT", help="the subject, where the usual one says too little")
    parser.add_argument("--text", default="", metavar="TEXT", help="what happened")
    parser.add_argument("--log", metavar="FILE", help="attached without what looks like a secret; - is standard input")
    parser.add_argument("--run-url", default="", metavar="URL", help="where the run can be seen")
    parser.add_argument("--idempotency-key", metavar="KEY", help="sent once, however often it is repeated")
    parser.add_argument("--url", metavar="URL", help=f"hand it to the Postroom there; the token is in ${TOKEN}")
    add_data_argument(parser)


def run(args: argparse.Namespace) -> int:
    try:
        log = _log(args.log)
    except OSError as error:
        print(f"{args.log} can't be read: {error.strerror}.", file=sys.stderr)
        return 2
    try:
        ids = _over_http(args, log) if args.url else _into_queue(args, log)
    except (Problem, ApiFailed) as problem:
        print(_sentences(problem), file=sys.stderr)
        return 1
    for id_ in ids or ():
        print(id_)
    return 1 if ids is None else 0


def _log(name: str | None) -> str:
    """The end of a log that is longer than a request may be: what went wrong stands there."""
    if name is None:
        return ""
    octets = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    return octets.decode("utf-8", "replace")[-LOG_CHARACTERS:]


def _over_http(args: argparse.Namespace, log: str) -> list[str]:
    token = os.environ.get(TOKEN, "")
    if not token:
        raise ApiFailed(f"Set the environment variable {TOKEN} to a token with the scope send.")
    body: dict[str, Any] = {
        "job": args.job, "outcome": args.outcome, "title": args.title, "text": args.text, "log": log,
        "recipients": args.to, "group": args.group, "run_url": args.run_url,
    }
    header = {"Idempotency-Key": args.idempotency_key or str(uuid.uuid4())}
    answer = ApiClient(args.url, token).post("/api/v1/notifications", body, **header)
    return [str(one["id"]) for one in answer["messages"]]


def _into_queue(args: argparse.Namespace, log: str) -> list[str] | None:
    if not open_instance(args.data):
        return None
    from postroom.flow.notices.hand_in import handed_in
    from postroom.flow.notices.notification import Notification, notification_bodies, recipients_of

    people = recipients_of(args.to, args.group)
    made = Notification(args.job, args.outcome, args.title, args.text, log, args.run_url)
    return [one.enqueued.id for one in handed_in(notification_bodies(made, people), None, args.idempotency_key)]


def _sentences(problem: Problem | ApiFailed) -> str:
    if isinstance(problem, Problem):
        return "\n".join([problem.detail, *(f"{error.field}: {error.text}" for error in problem.errors)])
    return str(problem)
