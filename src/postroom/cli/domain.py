"""`postroom domain check`: what the DNS says of a mail domain, without an installation."""

import argparse
import asyncio
import json
import sys
from typing import Any

from postroom.diagnosis.domain import Reading, Status, wording_of
from postroom.flow.domains.read_domain import domain_in, look_at

_MARKS = {"ok": "ok", "warn": "!", "bad": "!!", "unknown": "?"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="SPF, DKIM, DMARC and MX of a domain")
    check.add_argument("domain", metavar="DOMAIN", help="the domain, or an address in it")
    check.add_argument("--server-host", default="", metavar="HOST", help="the SMTP server that sends for the domain")
    check.add_argument("--language", choices=("en", "fr"), default="en", help="default: %(default)s")
    check.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """0 when nothing is wrong for certain, 1 when something is, 2 when the argument is no domain."""
    domain = domain_in(args.domain)
    if not domain:
        print("postroom domain check: give a full domain, such as example.com", file=sys.stderr)
        return 2
    reading = asyncio.run(look_at(domain, args.server_host))
    if args.json:
        print(json.dumps({"domain": domain, **reading.as_json()}, ensure_ascii=False))
    else:
        print("\n".join(_lines(reading, args.language)))
    return 1 if any(part.status is Status.BAD for part in reading.parts.values()) else 0


def _lines(reading: Reading, language: str) -> list[str]:
    lines = []
    for part in (part.as_json() for part in reading.parts.values()):
        words = wording_of(part, language)
        lines.append(f"{_MARKS[part['status']]:<3}{words.sentence} {words.suggestion}".rstrip())
        lines += [f"   {record}" for record in part["record"].split("\n") if record]
        lines += [f"   {words.fix}"] if words.fix else []
        lines += [f"   {_record(each)}" for each in part["add"]]
    return lines


def _record(each: dict[str, Any]) -> str:
    return f"{each['name']}  {each['type']}  {each['value'] or '…'}"
