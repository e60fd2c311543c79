"""`postroom webhook`: who hears of events. Works beside a running instance, whose engine sends the requests."""

import argparse
import json
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .instance import add_data_argument, open_instance

if TYPE_CHECKING:
    from postroom.store.models import Webhook, WebhookDelivery

ACTOR = "command line"
TEST_WITHIN_S = 25.0
_LOOK_S = 0.2
_SHOWN = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list webhooks and how they fare")
    add = actions.add_parser("add", help="add a webhook; prints its secret alone on standard output")
    add.add_argument("name", metavar="NAME")
    add.add_argument("url", metavar="URL", help="takes the requests, such as https://app.example.com/mail-events")
    add.add_argument("--event", action="append", default=[], metavar="TYPE", help="may be repeated (default: all)")
    add.add_argument("--tag", action="append", default=[], metavar="TAG",
                     help="of messages only those with this tag; may be repeated (default: any)")
    add.add_argument("--purpose", action="append", default=[], metavar="PURPOSE",
                     help="of messages only those of this purpose; may be repeated (default: any)")
    deliveries = actions.add_parser("deliveries", help="what a webhook was told last")
    deliveries.add_argument("--state", choices=("waiting", "succeeded", "failed"))
    replay = actions.add_parser("replay", help="tell a webhook again")
    replay.add_argument("--since", type=_time, required=True, metavar="TIME", help="such as 2027-01-31T08:00:00Z")
    replay.add_argument("--until", type=_time, metavar="TIME")
    replay.add_argument("--all", action="store_true", help="also what was taken (default: what failed)")
    secret = actions.add_parser("secret", help="make a new secret and print it; the former one signs for another day")
    secret.add_argument("--end-former", action="store_true", help="the former one signs no more at once")
    others = [
        actions.add_parser(name, help=text)
        for name, text in (
            ("test", "send a test and wait for the answer"), ("pause", "send nothing more"), ("resume", "go on"),
            ("remove", "remove a webhook and its history"),
        )
    ]
    for action in (deliveries, replay, secret, *others):
        action.add_argument("webhook", metavar="NAME", help="its name or id")
    for action in (listing, deliveries):
        action.add_argument("--json", action="store_true", help="print one JSON object")
    for action in (listing, add, deliveries, replay, secret, *others):
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from postroom.flow.instance.refusals import NotPossible, SettingsRefused

    actions = {
        "list": _listed, "add": _added, "deliveries": _told, "replay": _replayed, "secret": _renewed, "test": _tested,
        "pause": _paused, "resume": _resumed, "remove": _removed,
    }
    try:
        return actions[args.action](args)
    except SettingsRefused as refused:
        print("\n".join(error.text for error in refused.problems), file=sys.stderr)
        return 2
    except (NotPossible, LookupError) as problem:
        print(problem.args[0], file=sys.stderr)
        return 1


def _listed(args: argparse.Namespace) -> int:
    from postroom.flow.webhooks.webhooks import webhook_values
    from postroom.store.models import Webhook

    rows = list(Webhook.objects.all())
    if args.json:
        told = [{"id": row.pk, **webhook_values(row), **_standing(row)} for row in rows]
        print(json.dumps({"webhooks": told}, ensure_ascii=False))
        return 0
    for row in rows:
        values = webhook_values(row)
        only = [f"tag {tag}" for tag in row.tags] + [f"purpose {purpose}" for purpose in row.purposes]
        events = f"{' '.join(row.events) or 'all events'}{', only ' if only else ''}{', '.join(only)}"
        print(f"{row.pk}  {_word(row):16}  {row.name}  {values['url']}  {events}")
    return 0


def _added(args: argparse.Namespace) -> int:
    from postroom.flow.webhooks.webhooks import add_webhook

    row, secret = add_webhook({
        "name": args.name, "url": args.url, "events": args.event, "tags": args.tag, "purposes": args.purpose,
    }, ACTOR)
    print(secret)
    print(f"Keep this secret: nobody can read it again. Then: postroom webhook test {row.pk}", file=sys.stderr)
    return 0


def _told(args: argparse.Namespace) -> int:
    rows = _webhook(args.webhook).deliveries.order_by("-pk")
    if args.state:
        rows = rows.filter(state=args.state)
    found = list(rows.defer("body")[:_SHOWN])
    if args.json:
        print(json.dumps({"deliveries": [_delivery_json(row) for row in found]}, ensure_ascii=False))
        return 0
    for row in found:
        print(f"{row.pk}  {row.created_at:%Y-%m-%d %H:%M:%S}Z  {row.state:9}  {_last_word(row)}  {' '.join(row.kinds)}")
    return 0


def _replayed(args: argparse.Namespace) -> int:
    from django.utils import timezone

    from postroom.flow.webhooks.webhook_history import replay_since

    row = _webhook(args.webhook)
    count = replay_since(row, args.since, args.until, ACTOR, timezone.now(), only_failed=not args.all)
    print(f"{count} requests are sent again")
    return 0


def _renewed(args: argparse.Namespace) -> int:
    from datetime import timedelta

    from django.utils import timezone

    from postroom.flow.webhooks.webhooks import BOTH_SIGN, renew_secret

    keep = timedelta(0) if args.end_former else BOTH_SIGN
    _, secret = renew_secret(_webhook(args.webhook).pk, ACTOR, timezone.now(), keep=keep)
    print(secret)
    return 0


def _tested(args: argparse.Namespace) -> int:
    from django.utils import timezone

    from postroom.flow.webhooks.webhook_send import send_test

    row = send_test(_webhook(args.webhook), ACTOR, timezone.now())
    deadline_s = time.monotonic() + TEST_WITHIN_S
    while row.state == "waiting" and time.monotonic() < deadline_s:
        time.sleep(_LOOK_S)
        row.refresh_from_db()
    if row.state == "waiting":
        print("Nothing sent the test. It leaves as soon as Postroom runs: postroom run", file=sys.stderr)
        return 1
    print(f"{row.state}: {_last_word(row)}")
    return 0 if row.state == "succeeded" else 1


def _paused(args: argparse.Namespace) -> int:
    from django.utils import timezone

    from postroom.flow.webhooks.webhooks import pause_webhook

    print(_word(pause_webhook(_webhook(args.webhook).pk, ACTOR, timezone.now())))
    return 0


def _resumed(args: argparse.Namespace) -> int:
    from django.utils import timezone

    from postroom.flow.webhooks.webhooks import resume_webhook

    print(_word(resume_webhook(_webhook(args.webhook).pk, ACTOR, timezone.now())))
    return 0


def _removed(args: argparse.Namespace) -> int:
    from postroom.flow.webhooks.webhooks import remove_webhook

    print(f"{remove_webhook(_webhook(args.webhook).pk, ACTOR)}: removed")
    return 0


def _webhook(named: str) -> "Webhook":
    """By its id or name. Raises LookupError."""
    from postroom.store.models import Webhook

    row = Webhook.objects.filter(pk=named[:26]).first() or Webhook.objects.filter(name=named).first()
    if row is None:
        raise LookupError("There is no webhook of this name or id. See: postroom webhook list")
    return row


def _standing(row: "Webhook") -> dict[str, Any]:
    return {
        "paused_for": row.paused_for or None, "failures": row.failures, "last_problem": row.last_problem or None,
        "last_success_at": row.last_success_at.isoformat() if row.last_success_at else None,
    }


def _word(row: "Webhook") -> str:
    if row.paused_for:
        return f"paused: {row.paused_for}"
    return "failing" if row.failures else "working"


def _last_word(row: "WebhookDelivery") -> str:
    """What the latest attempt came to."""
    from postroom.terms.wording import Wording

    if not row.attempts:
        return "not sent yet"
    last = row.attempts[-1]
    return str(Wording.from_json(last["problem"])) if last["problem"] else str(last["status"])


def _delivery_json(row: "WebhookDelivery") -> dict[str, Any]:
    return {
        "id": row.pk, "state": row.state, "events": row.kinds, "event_count": row.event_count,
        "created_at": row.created_at.isoformat(), "attempt_count": row.attempt_count, "last": _last_word(row),
    }


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2027-01-31T08:00:00Z") from None
    return at if at.tzinfo else at.astimezone()
