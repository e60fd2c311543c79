"""What the actions of `postroom server` do, once the instance is open."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction

from postroom.flow.delivery.queue_state import queue_state
from postroom.flow.instance.refusals import NotPossible
from postroom.flow.servers import configure
from postroom.flow.servers.server_order import move_server, servers_in_order, set_default
from postroom.flow.servers.server_pause import pause_server, resume_server, set_enabled
from postroom.flow.servers.server_values import server_values, values_of_test
from postroom.store.models import ServerTest, SmtpServer
from postroom.terms.outcome import TestStatus
from postroom.terms.server import ServerSettings

from .ended_test import ended_test
from .refused import Usage
from .server_options import password_given, settings_given
from .stage_table import told_test

ACTOR = "command line"


def listed(args: argparse.Namespace) -> int:
    rows = servers_in_order()
    if args.json:
        _print_json({"smtp_servers": [server_values(row) for row in rows]})
        return 0
    for row in rows:
        settings = row.typed_settings
        place = f"{f'[{settings.host}]' if ':' in settings.host else settings.host}:{settings.port}"
        print(f"{row.name:24}  {place:32}  {settings.security:8}  {_standing(row)}")
    return 0


def shown(args: argparse.Namespace) -> int:
    _print_json(server_values(_server(args.server)), indent=2)
    return 0


def added(args: argparse.Namespace) -> int:
    settings = ServerSettings.from_json({**settings_given(args, ServerSettings()), "name": args.name})
    password = password_given(args)
    if settings.username and password is None:
        raise Usage("--username needs --password-stdin.")
    first = not SmtpServer.objects.filter(is_default=True, is_sandbox=False).exists()
    make_default = first if args.default is None else args.default
    if args.use_unverified or args.untested:
        row = configure.save_untested(
            settings, password=password, based_on=None, server=None, reason=args.reason,
            use_unverified=args.use_unverified, make_default=make_default, actor=ACTOR,
        )
        return _told_saved(args, row, None)
    return _saved_when_passed(args, settings, password, None, make_default)


def changed(args: argparse.Namespace) -> int:
    row = _server(args.server)
    given = settings_given(args, row.typed_settings)
    if args.new_name is not None:
        given["name"] = args.new_name
    password = password_given(args)
    if not (given or password or args.use_unverified):
        raise Usage("Say what to change. See: postroom server change --help")
    settings = ServerSettings.from_json({**row.settings, **given})
    is_proof_touched = password is not None or settings.fingerprint("") != row.typed_settings.fingerprint("")
    if is_proof_touched and not (args.use_unverified or args.untested):
        return _saved_when_passed(args, settings, password, row, make_default=False)
    with transaction.atomic():  # read in it, too: what somebody else changes at the same time stays changed
        row = configure.change_server(
            _server(row.pk), given, password=password, use_unverified=args.use_unverified or None,
            reason=args.reason, actor=ACTOR,
        )
    return _told_saved(args, row, None)


def tested(args: argparse.Namespace) -> int:
    row = _server(args.server)
    test = ended_test(lambda: configure.start_saved_test(row, send=not args.no_send, actor=ACTOR), ACTOR)
    if args.json:
        _print_json(values_of_test(test))
    else:
        print(_told(test))
    return 0 if test.status == TestStatus.PASSED else 1


def switched(args: argparse.Namespace) -> int:
    row = _server(args.server)
    set_enabled(row, args.action == "on", ACTOR)
    return _told_standing(row)


def paused(args: argparse.Namespace) -> int:
    row = _server(args.server)
    pause_server(row, until=args.until, reason=args.reason, actor=ACTOR)
    return _told_standing(row)


def resumed(args: argparse.Namespace) -> int:
    row = _server(args.server)
    resume_server(row, ACTOR)
    return _told_standing(row)


def made_default(args: argparse.Namespace) -> int:
    row = _server(args.server)
    set_default(row, ACTOR)
    return _told_standing(row)


def moved(args: argparse.Namespace) -> int:
    if args.place < 1:
        raise Usage("A place is a number from 1.")
    move_server(_server(args.server), args.place - 1, ACTOR)
    return listed(argparse.Namespace(json=False))


def removed(args: argparse.Namespace) -> int:
    """By its whole name alone, as the page asks for it to be typed."""
    row = SmtpServer.objects.filter(name=args.name).first()
    if row is None:
        raise NotPossible("There is no SMTP server of this name. See: postroom server list")
    waiting = next((q.waiting + q.held for q in queue_state() if q.server is not None and q.server.pk == row.pk), 0)
    configure.delete_server(row, ACTOR)
    print(f"{row.name}: removed")
    if waiting:
        print(_what_waits(row, waiting), file=sys.stderr)
    return 0


def _what_waits(removed_row: SmtpServer, waiting: int) -> str:
    if removed_row.is_sandbox:
        return f"Deliveries that waited for it are cancelled: {waiting}."
    first = next((row for row in servers_in_order() if row.takes_deliveries and not row.is_sandbox), None)
    goes = f"They go to {first.name}" if first else "They wait until there is a server that takes deliveries"
    return (
        f"Deliveries that waited for it: {waiting}. {goes}; those whose client named {removed_row.name} wait until they"
        " expire."
    )


def _saved_when_passed(
    args: argparse.Namespace, settings: ServerSettings, password: str | None, row: SmtpServer | None, make_default: bool
) -> int:
    """Test the settings live, and save just them when that has passed; else say why not."""
    test = ended_test(
        lambda: configure.start_test(
            settings, password=password, based_on=row, server=row, send=True, actor=ACTOR
        ), ACTOR,
    )
    if test.status == TestStatus.PASSED:
        return _told_saved(args, configure.save_tested(test, make_default=make_default, actor=ACTOR), test)
    if args.json:
        _print_json({"server": None, "test": values_of_test(test)})
    else:
        print(_told(test))
    print("Nothing was saved.", file=sys.stderr)
    return 1


def _told_saved(args: argparse.Namespace, saved: SmtpServer, test: ServerTest | None) -> int:
    row = SmtpServer.objects.get(pk=saved.pk)
    if args.json:
        _print_json({"server": server_values(row), "test": values_of_test(test) if test is not None else None})
        return 0
    if test is not None:
        print(_told(test))
    print(f"{row.name}: saved, {_standing(row)}")
    for warning in server_values(row)["warnings"]:
        print(f"Warning: {warning['text']}", file=sys.stderr)
    if not row.takes_deliveries:
        print(f"It takes no deliveries yet. Prove it with: postroom server test {row.pk}", file=sys.stderr)
    return 0


def _told(test: ServerTest) -> str:
    """A test that is over, as `postroom diagnose` tells one."""
    if test.status == TestStatus.STOPPED:
        return "The test was stopped."
    values = values_of_test(test)
    seconds = sum(stage["ms"] or 0 for stage in test.stages) / 1_000
    return told_test(
        test.stages, values["finding"], seconds=seconds, tried=values["also_tried"], warnings=values["warnings"]
    )


def _told_standing(changed_row: SmtpServer) -> int:
    row = SmtpServer.objects.get(pk=changed_row.pk)
    print(f"{row.name}: {_standing(row)}")
    return 0


def _standing(row: SmtpServer) -> str:
    """Its state, or that it is switched off; whether it is in use without a test; whether it is the default."""
    words = [row.state if row.enabled else "off"]
    if row.state == "paused" and row.enabled and row.paused_until is not None:
        words[0] += f" until {row.paused_until:%Y-%m-%d %H:%M}Z"
    words += ["in use"] * (row.use_unverified and not row.is_verified) + ["default"] * row.is_default
    return ", ".join(words)


def _server(named: str) -> SmtpServer:
    row = SmtpServer.objects.filter(name=named).first() or SmtpServer.objects.filter(pk=named[:26]).first()
    if row is None:
        raise NotPossible("There is no SMTP server of this name or id. See: postroom server list")
    return row


def _print_json(document: dict[str, Any], indent: int | None = None) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=indent, cls=DjangoJSONEncoder))


ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": listed, "show": shown, "add": added, "change": changed, "test": tested, "on": switched, "off": switched,
    "pause": paused, "resume": resumed, "default": made_default, "move": moved, "remove": removed,
}
