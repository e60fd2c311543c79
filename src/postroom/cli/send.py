"""`postroom send`: hand over a message from a shell, a script or cron; enough of sendmail to stand in for it there."""

import argparse
import base64
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from postroom.net.api_client import ApiClient, ApiFailed

from .hand_over import OverHttp, Way, handed_over
from .instance import add_data_argument, open_instance
from .raw_message import TooDeep, fields_of, with_envelope
from .refused import Usage

TOKEN = "POSTROOM_TOKEN"
WAIT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipients", nargs="*", metavar="RECIPIENT", help="with a whole message on standard input")
    parser.add_argument("-t", dest="from_header", action="store_true", help="take the recipients from To, Cc and Bcc")
    parser.add_argument("-i", dest="whole", action="store_true", help="a line with one dot does not end the message")
    parser.add_argument("-f", "-r", dest="sender", metavar="ADDRESS", help="the sender, where the message names none")
    parser.add_argument("-F", dest="sender_name", metavar="NAME", help="the sender's name")
    parser.add_argument("--to", action="append", default=[], metavar="ADDRESS", help="standard input is the body")
    parser.add_argument("--cc", action="append", default=[], metavar="ADDRESS")
    parser.add_argument("--bcc", action="append", default=[], metavar="ADDRESS")
    parser.add_argument("--reply-to", action="append", default=[], metavar="ADDRESS")
    parser.add_argument("--subject", default="", metavar="TEXT")
    parser.add_argument("--attach", action="append", default=[], type=Path, metavar="FILE")
    parser.add_argument("--html", nargs="?", const="-", metavar="FILE", help="the HTML; alone: standard input is HTML")
    parser.add_argument("--template", metavar="NAME", help="standard input has the template's values as JSON")
    parser.add_argument("--server", metavar="NAME", help="send through this SMTP server")
    parser.add_argument("--idempotency-key", metavar="KEY", help="sent once, however often it is repeated")
    parser.add_argument(
        "--wait", nargs="?", const=WAIT_S, type=float, metavar="SECONDS", help="wait until it is sent or has failed"
    )
    parser.add_argument("--url", metavar="URL", help=f"hand it to the Postroom there; the token is in ${TOKEN}")
    add_data_argument(parser)
    for flag in ("-o", "-B", "-N", "-R"):
        parser.add_argument(flag, dest="ignored", action="append", help=argparse.SUPPRESS)
    for flag in ("-bm", "-G", "-v"):
        parser.add_argument(flag, dest="ignored_switch", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    try:
        body = body_of(args, lambda: sys.stdin.buffer.read())
        way = _over_http(args) if args.url else _into_queue(args)
    except Usage as problem:
        print(problem, file=sys.stderr)
        return 2
    if way is None:
        return 1
    is_quiet = not (args.to or args.cc or args.bcc)
    return handed_over(way, body, key=args.idempotency_key, wait_s=args.wait, is_quiet=is_quiet)


def body_of(args: argparse.Namespace, read: Callable[[], bytes]) -> dict[str, Any]:
    """The API's document of the message. Raises Usage."""
    composed = bool(args.to or args.cc or args.bcc)
    if args.template and (not composed or args.html):
        raise Usage("A template needs --to ADDRESS, and goes without --html.")
    if composed and (args.from_header or args.recipients):
        raise Usage("Give recipients with --to, or as sendmail takes them; not both.")
    if not composed and not args.from_header and not args.recipients:
        raise Usage("Who receives it? Give --to ADDRESS, or -t with a whole message on standard input.")
    body = _composed(args, read) if composed else _as_sendmail(args, read)
    if args.sender and "from" not in body:
        body["from"] = f'"{args.sender_name}" <{args.sender}>' if args.sender_name else args.sender
    if args.server:
        body["server"] = args.server
    body.setdefault("attachments", []).extend(_attached(path) for path in args.attach)
    return body


def _composed(args: argparse.Namespace, read: Callable[[], bytes]) -> dict[str, Any]:
    body: dict[str, Any] = {"to": args.to, "cc": args.cc, "bcc": args.bcc, "reply_to": args.reply_to}
    body["subject"] = args.subject
    if args.template:
        return {**body, "template": args.template, "data": _values("" if sys.stdin.isatty() else _text(read()))}
    if args.html and args.html != "-":
        body["html"] = _text(_octets(Path(args.html)))
        text = "" if sys.stdin.isatty() else _text(read())
        return {**body, "text": text} if text.strip() else body
    body["html" if args.html else "text"] = _text(read())
    return body


def _values(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Usage("Standard input has no JSON object with the values of the template.")
    return found


def _as_sendmail(args: argparse.Namespace, read: Callable[[], bytes]) -> dict[str, Any]:
    octets = read()
    try:
        fields = fields_of(octets if args.whole else _until_dot(octets))
    except TooDeep as problem:
        raise Usage(str(problem)) from None
    if args.recipients and not args.from_header:
        return with_envelope(fields, args.recipients)
    fields["bcc"] = [*fields.get("bcc", []), *args.recipients]
    return fields


def _until_dot(octets: bytes) -> bytes:
    """Without -i, a line of one dot ends the message."""
    lines = octets.split(b"\n")
    end = next((number for number, line in enumerate(lines) if line.rstrip(b"\r") == b"."), len(lines))
    return b"\n".join(lines[:end])


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise Usage("The body isn't UTF-8. Convert it first, for example with iconv.") from None


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Usage(f"{path} can't be read: {error.strerror}.") from None


def _attached(path: Path) -> dict[str, str]:
    return {"filename": path.name, "content_base64": base64.b64encode(_octets(path)).decode("ascii")}


def _over_http(args: argparse.Namespace) -> Way:
    token = os.environ.get(TOKEN, "")
    if not token:
        raise Usage(f"Set the environment variable {TOKEN} to a token with the scope send.")
    try:
        return OverHttp(ApiClient(args.url, token))
    except ApiFailed as problem:
        raise Usage(str(problem)) from None


def _into_queue(args: argparse.Namespace) -> Way | None:
    if not open_instance(args.data):
        return None
    from .local_queue import IntoQueue

    return IntoQueue()
