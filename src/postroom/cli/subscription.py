"""`postroom subscription`: list, add, run, pause, resume and remove subscriptions. Works beside a running instance."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from .instance import add_data_argument, open_instance

if TYPE_CHECKING:
    from postroom.store.models import Subscription

ACTOR = "command line"
NAMED = {"show": "print one as JSON", "pause": "run no more by itself", "resume": "go on with the next instant",
         "remove": "remove it with its history", "runs": "list its latest runs"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list them with their next run")
    listing.add_argument("--json", action="store_true", help="print one JSON object")
    add = actions.add_parser("add", help="subscribe people to a report")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--source", required=True, metavar="NAME", help="name or id of a report source")
    add.add_argument("--to", action="append", required=True, metavar="WHO", help="group, recipient or address; repeat")
    add.add_argument("--when", default="", metavar="WORDS", help='such as "every Monday at 08:00"; without, by hand')
    add.add_argument("--time-zone", default="", metavar="ZONE", help="default: that of the site")
    add.add_argument("--subject", default="", metavar="TEXT")
    add.add_argument("--only-if", nargs=4, metavar=("ROWS", "COLUMN", "OPERATOR", "VALUE"),
                     help='send only then, such as: any "on-time rate" below "95 %%"')
    running = actions.add_parser("run", help="run now")
    running.add_argument("name", metavar="NAME", help="name or id")
    running.add_argument("--to", default="", metavar="ADDRESS", help="send once to this address only")
    named = [actions.add_parser(name, help=text) for name, text in NAMED.items()]
    for action in named:
        action.add_argument("name", metavar="NAME", help="name or id")
    for action in (listing, add, running, *named):
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from postroom.flow.instance.refusals import NotPossible, SettingsRefused

    actions = {"list": _listed, "add": _added, "run": _ran, "show": _shown, "runs": _runs}
    try:
        return actions.get(args.action, _changed)(args)
    except (SettingsRefused, NotPossible) as refused:
        print(refused, file=sys.stderr)
        return 2 if isinstance(refused, SettingsRefused) else 1


def _listed(args: argparse.Namespace) -> int:
    from postroom.store.models import Subscription

    rows = Subscription.objects.select_related("source", "owner", "template").order_by("name")
    if args.json:
        print(json.dumps({"subscriptions": [_json(row) for row in rows]}, ensure_ascii=False))
        return 0
    for row in rows:
        due = "paused" if row.paused_at else f"{row.next_at:%Y-%m-%d %H:%M}Z" if row.next_at else "by hand"
        print(f"{row.pk}  {due:17}  {row.name}")
    return 0


def _added(args: argparse.Namespace) -> int:
    from django.utils import timezone

    from postroom.flow.subscriptions.subscribe import add_subscription
    from postroom.flow.subscriptions.subscribers import read_entry

    schedule = {"words": args.when, "time_zone": args.time_zone} if args.when else None
    values = {
        "name": args.name, "source": args.source, "subject": args.subject, "schedule": schedule,
        "subscribers": [read_entry(text) or {"address": text} for text in args.to],
        "conditions": {"column_value": _column_value(args.only_if)} if args.only_if else {},
    }
    print(add_subscription(values, ACTOR, timezone.now()).pk)
    return 0


def _column_value(words: list[str]) -> dict[str, str]:
    rows, column, operator, value = words
    return {"rows": rows, "column": column, "operator": operator.replace(" ", "-"), "value": value}


def _ran(args: argparse.Namespace) -> int:
    from django.utils import timezone

    from postroom.flow.runs.ask_run import run_now, send_to
    from postroom.store.heartbeat import engine_is_running

    row, now = _present(args.name), timezone.now()
    started = send_to(row.pk, args.to, ACTOR, now) if args.to else run_now(row.pk, ACTOR, now)
    print(started.pk)
    if not engine_is_running():
        print("No engine is running: the run waits until one is.", file=sys.stderr)
    return 0


def _shown(args: argparse.Namespace) -> int:
    print(json.dumps(_json(_present(args.name)), ensure_ascii=False, indent=2))
    return 0


def _runs(args: argparse.Namespace) -> int:
    for row in _present(args.name).runs.order_by("-pk")[:50]:
        at = row.nominal_at or row.created_at
        why = str((row.problem or {}).get("text", ""))
        done = f"{row.queued}/{row.planned - row.left_out}"
        print(f"{row.pk}  {at:%Y-%m-%d %H:%M}Z  {row.state:9}  {done}  {why}".rstrip())
    return 0


def _changed(args: argparse.Namespace) -> int:
    from django.utils import timezone

    from postroom.flow.subscriptions.subscribe import pause_subscription, remove_subscription, resume_subscription

    row, now = _present(args.name), timezone.now()
    if args.action == "remove":
        remove_subscription(row.pk, ACTOR)
    elif args.action == "pause":
        pause_subscription(row.pk, ACTOR, now)
    else:
        resume_subscription(row.pk, ACTOR, now)
    print(f"{row.name}: {args.action}d")
    return 0


def _present(name: str) -> "Subscription":
    """Raises NotPossible."""
    from postroom.flow.instance.refusals import NotPossible
    from postroom.flow.subscriptions.subscription_values import called

    row = called(name)
    if row is None:
        raise NotPossible("There is no such subscription. See: postroom subscription list")
    return row


def _json(row: "Subscription") -> dict[str, Any]:
    from postroom.flow.subscriptions.subscription_values import subscription_values

    at = {name: value.isoformat() if value else None for name, value in
          (("next_at", row.next_at), ("paused_at", row.paused_at))}
    return {"id": row.pk, **subscription_values(row), "list": row.list_name, **at}
