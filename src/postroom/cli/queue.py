"""`postroom queue`: what waits for each server and what holds it; hold, release, try now, cancel. Works beside a
running instance."""

import argparse
import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING

from .instance import add_data_argument, open_instance
from .refused import ended

if TYPE_CHECKING:
    from postroom.flow.delivery.queue_state import ServerQueue
    from postroom.flow.messages.outbox import Moved
    from postroom.store.models import SmtpServer

ACTOR = "command line"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_data_argument(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    hold = actions.add_parser("hold", help="hold what waits now; prints the hold's id")
    now = actions.add_parser("try-now", help="have what waits for its next try leave as soon as limits allow")
    for action in (hold, now):
        which = action.add_mutually_exclusive_group(required=True)
        which.add_argument("--server", metavar="NAME", help="of this server: name or id")
        which.add_argument("--all", action="store_true", help="of all servers, and of none")
    release = actions.add_parser("release", help="have what a hold holds wait again")
    release.add_argument("hold", metavar="HOLD", help="its id, which the table names")
    retry = actions.add_parser("retry", help="try messages again that failed, are held, uncertain or wait")
    cancel = actions.add_parser("cancel", help="end what waits of messages; what was sent stays sent")
    for action in (retry, cancel):
        action.add_argument("messages", nargs="+", metavar="ID", help="a message's id; may be repeated")
    for action in (hold, now, release, retry, cancel):
        # --data may stand before the action, too: what is not given here must not undo it.
        add_data_argument(action, default=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    actions = {
        None: _listed, "hold": _held, "release": _released, "try-now": _tried, "retry": _retried, "cancel": _cancelled,
    }
    return ended(actions[args.action], args)


def _listed(args: argparse.Namespace) -> int:
    from django.core.serializers.json import DjangoJSONEncoder

    from postroom.flow.delivery.queue_hold import holds
    from postroom.flow.delivery.queue_state import queue_state
    from postroom.flow.delivery.queue_values import queue_values
    from postroom.store.heartbeat import engine_is_running

    queues, held = queue_state(), holds()
    if args.json:
        document = {
            "servers": [queue_values(queue) for queue in queues],
            "holds": [{"id": h.id, "server": h.server, "by": h.by, "at": h.at, "deliveries": h.deliveries}
                      for h in held],
        }
        print(json.dumps(document, ensure_ascii=False, cls=DjangoJSONEncoder))
        return 0
    print(f"{'SERVER':24}  {'DUE':>8}  {'LATER':>8}  {'SENDING':>8}  {'HELD':>8}  {'SESSIONS':>8}  OLDEST DUE")
    for queue in queues:
        _print_queue(queue)
    for hold in held:
        print(f"Hold {hold.id}: {hold.deliveries} held since {_at(hold.at)} by {hold.by}"
              f"{f', of {hold.server}' if hold.server else ''}")
    if not engine_is_running():
        print("No engine is running: nothing leaves until one is.", file=sys.stderr)
    return 0


def _print_queue(queue: "ServerQueue") -> None:
    from postroom.flow.delivery.queue_values import holding

    name = queue.server.name if queue.server else "(no server)"
    sessions = f"{queue.sessions}/{queue.allowed}" if queue.allowed else "-"
    counts = f"{queue.due:8}  {queue.later:8}  {queue.sending:8}  {queue.held:8}  {sessions:>8}"
    print(f"{name:24}  {counts}  {_at(queue.due_since) or '-'}")
    for text, until in holding(queue):
        print(f"    {text.rstrip('.')} until {_at(until)}" if until else f"    {text}")
    if queue.next_at is not None:
        print(f"    Of those for later the next is due {_at(queue.next_at)}")
    for used, most, per in (
        (queue.used_minute, queue.limits.messages_per_minute, "minute"),
        (queue.used_day, queue.limits.messages_per_day, "day"),
    ):
        if used is not None and most is not None:
            print(f"    {used} of {most} messages a {per}")


def _held(args: argparse.Namespace) -> int:
    from postroom.flow.delivery.queue_hold import hold_waiting
    from postroom.flow.instance.refusals import NotPossible

    hold = hold_waiting(_server(args), ACTOR)
    if not hold.deliveries:
        raise NotPossible("Nothing waits here that could be held.")
    print(hold.id)
    print(f"{hold.deliveries} held. Later: postroom queue release {hold.id}", file=sys.stderr)
    return 0


def _released(args: argparse.Namespace) -> int:
    from postroom.flow.delivery.queue_hold import release_hold
    from postroom.flow.instance.refusals import NotPossible

    released = release_hold(args.hold, ACTOR)
    if not released:
        raise NotPossible("This holds nothing. See: postroom queue")
    print(f"{released} wait again")
    return 0


def _tried(args: argparse.Namespace) -> int:
    from postroom.flow.servers.waiting_mail import try_waiting_now

    print(f"{try_waiting_now(_server(args), ACTOR)} are tried again now")
    return 0


def _retried(args: argparse.Namespace) -> int:
    from postroom.flow.messages.outbox import retry_now

    why = "Nothing to try again: no delivery of this message is deferred, failed, held or uncertain."
    return _told_moved(retry_now(_messages(args), ACTOR), "queued again", why)


def _cancelled(args: argparse.Namespace) -> int:
    from postroom.flow.messages.outbox import cancel

    why = "No delivery of this message waits any more: all are sent, failed, cancelled or being sent."
    return _told_moved(cancel(_messages(args), ACTOR), "cancelled", why)


def _told_moved(moved: "Moved", what: str, why_not: str) -> int:
    from postroom.flow.instance.refusals import NotPossible

    if not moved.deliveries:
        raise NotPossible(why_not)
    deliveries = "1 delivery" if moved.deliveries == 1 else f"{moved.deliveries} deliveries"
    print(f"{deliveries} of {moved.messages} {'message' if moved.messages == 1 else 'messages'}: {what}")
    return 0


def _messages(args: argparse.Namespace) -> list[str]:
    """Raises NotPossible where one of them does not exist; then none is touched."""
    from postroom.flow.instance.refusals import NotPossible
    from postroom.store.models import Message

    named = [id_[:26] for id_ in dict.fromkeys(args.messages)]
    found = set(Message.objects.filter(pk__in=named).values_list("pk", flat=True))
    if missing := [id_ for id_ in named if id_ not in found]:
        raise NotPossible(f"There is no message {missing[0]}.")
    return named


def _server(args: argparse.Namespace) -> "SmtpServer | None":
    """None stands for all. Raises NotPossible."""
    if args.all:
        return None
    from postroom.flow.instance.refusals import NotPossible
    from postroom.store.models import SmtpServer

    rows = SmtpServer.objects.all()
    row = rows.filter(name=args.server).first() or rows.filter(pk=args.server[:26]).first()
    if row is None:
        raise NotPossible("There is no SMTP server of this name or id. See: postroom server list")
    return row


def _at(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}Z" if at is not None else ""
