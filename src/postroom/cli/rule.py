"""`postroom rule`: list the delivery rules in the order in which they are asked. Works beside a running instance."""

import argparse
import json
from typing import Any

from .instance import add_data_argument, open_instance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the rules")
    listing.add_argument("--json", action="store_true", help="print one JSON object")
    add_data_argument(listing)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from postroom.flow.servers.delivery_rules import rows_in_order, rule_json

    rows = rows_in_order()
    if args.json:
        rules = [{"id": row.pk, **rule_json(row)} for row in rows]
        print(json.dumps({"delivery_rules": rules}, ensure_ascii=False))
        return 0
    for place, row in enumerate(rows, 1):
        server = row.server.name if row.server else "no server"
        print(f"{place:2}  {'on ' if row.enabled else 'off'}  {server:24}  {_conditions(row)}  {row.name}".rstrip())
    return 0


def _conditions(row: Any) -> str:
    named = (
        ("purpose", row.purposes), ("to", row.recipient_domains), ("from", row.senders), ("client", row.clients),
        ("tag", row.tags),
    )
    told = [f"{name}={','.join(values)}" for name, values in named if values]
    told += [f"min-attempts={row.min_attempts}"] if row.min_attempts else []
    return " ".join([*told, "only"] if row.only else told) or "every message"
